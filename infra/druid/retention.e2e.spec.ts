import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { RETENTION } from '#schema/limits.ts'
import { openKafka, startDeployment, type TestDeployment } from '../kafka/fixtures/deployment.ts'
import type { Kafka } from '../kafka/kafka.ts'
import { freshDruid, noDruid, type TestDruid } from '../testing/druid.ts'
import { until } from '../testing/until.ts'
import { expireSegments } from './retention.ts'

const DAY = 86_400_000

describe.skipIf(noDruid)('retention in Druid', () => {
  let druid: TestDruid
  let deployment: TestDeployment
  let kafka: Kafka
  beforeAll(async () => {
    druid = await freshDruid()
    deployment = await startDeployment()
    kafka = await openKafka(deployment.nats)
    await druid.apply({ kafka: `127.0.0.1:${kafka.port}` })
  })
  afterAll(async () => {
    await kafka?.close()
    await deployment?.[Symbol.asyncDispose]()
  })

  const times = async (table: string): Promise<unknown[]> =>
    (await druid.sql(`SELECT DISTINCT TIME_FLOOR(__time, 'P1D') AS d FROM ${table} WHERE metric = 'views'`)).map(
      ({ d }) => String(d).slice(0, 10),
    )

  const tasks = async (): Promise<string[]> => {
    const running = await druid.management.get('/druid/indexer/v1/tasks?state=running&datasource=minly_aggs')
    return (running as { id: string }[]).map(({ id }) => id)
  }
  /**
   * Ends the task with what it has: segments are made, and loaded by others. It answers for them itself until it has seen
   * that, and for ever where they go before it has.
   */
  const handOver = async (): Promise<void> => {
    const before = await tasks()
    await druid.management.post('/druid/indexer/v1/supervisor/minly_aggs/taskGroups/handoff', { taskGroupIds: [0] })
    await until('all in segments', async () => {
      const segments = await druid.sql(`SELECT is_realtime AS r FROM sys.segments WHERE datasource = 'minly_aggs'`)
      return segments.length > 0 && segments.every(({ r }) => r === 0)
    })
    await until('its task has ended', async () => {
      const now = await tasks()
      return before.every((id) => !now.includes(id))
    })
  }

  test('goes by when a row came, not by the time in it: a log of 2015 stays as long as today', async () => {
    const now = Date.now()
    const today = new Date(now).toISOString().slice(0, 10)
    const old = Date.parse('2015-05-17T10:05:00Z')
    const row = { tenant: 'main', metric: 'views', version: 1, size: 60_000, dims: [], events: 1, corrections: 0, n: 1 }
    const lineAt = (time: number) => JSON.stringify({ ...row, start: Math.floor(time / 60_000) * 60_000 })
    await deployment.writer.commit({ aggregates: [{ lines: [lineAt(old), lineAt(now)] }] })
    await until('both', async () => (await times('minly_aggs')).length === 2)
    await handOver()

    expect(await expireSegments(druid.management, RETENTION, now + RETENTION.minlyAggs - DAY)).toEqual([])
    expect(await times('minly_aggs')).toEqual(['2015-05-17', today])

    const interval = '2015-05-01T00:00:00.000Z/2015-06-01T00:00:00.000Z'
    const expired = await expireSegments(druid.management, RETENTION, now + RETENTION.minlyAggs + DAY)
    expect(expired).toContainEqual({ table: 'minly_aggs', interval })
    await until('it is gone', async () => !(await times('minly_aggs')).includes('2015-05-17'))

    await deployment.writer.commit({ aggregates: [{ lines: [lineAt(old)] }] })
    await until('it is imported once more', async () => (await times('minly_aggs')).includes('2015-05-17'))
    await handOver()
    expect(await times('minly_aggs')).toEqual(['2015-05-17', today])
  })
})
