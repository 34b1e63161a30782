import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { lineOf, openKafka, startDeployment, type TestDeployment } from '../kafka/fixtures/deployment.ts'
import type { Kafka } from '../kafka/kafka.ts'
import { freshDruid, noDruid, type TestDruid } from '../testing/druid.ts'
import { until } from '../testing/until.ts'
import { type JsonObject, readSpecs } from './specs.ts'

const LINES = 10
/** At the first frame after so long a task writes what it has to disk, with its place: what a restored one goes on from. */
const PERSIST = { iso: 'PT1S', ms: 1_000 }

/** Of raw_events alone, by a name of its own. */
const specsOf = async (table: string) => {
  const { supervisors } = await readSpecs()
  const supervisor = structuredClone(supervisors.raw_events) as { spec: Record<string, JsonObject> } & JsonObject
  supervisor.spec.dataSchema.dataSource = table
  supervisor.spec.tuningConfig.intermediatePersistPeriod = PERSIST.iso
  return { supervisors: { [table]: supervisor }, rules: {}, compaction: {} }
}

describe.skipIf(noDruid)('an indexer that is killed', () => {
  let druid: TestDruid
  let deployment: TestDeployment
  let kafka: Kafka
  beforeAll(async () => {
    druid = await freshDruid()
    deployment = await startDeployment()
    kafka = await openKafka(deployment.nats)
  })
  afterAll(async () => {
    // The next file gets one that restores nothing.
    await druid?.killIndexer()
    await kafka?.close()
    await deployment?.[Symbol.asyncDispose]()
  })

  let frames = 0
  const send = async (): Promise<void> => {
    const lines = Array.from({ length: LINES }, (_, n) =>
      JSON.stringify({ time: Date.UTC(2026, 4, 4), weight: 1, ...JSON.parse(lineOf(`${frames}-${n}`)) }),
    )
    const last = await deployment.writer.frame(lines.join('\n'))
    await deployment.writer.commit({ to: last })
    frames++
  }
  const rows = async (table: string) => Number((await druid.sql(`SELECT COUNT(*) AS n FROM ${table}`))[0].n)
  const whole = (table: string) =>
    until(`all rows of ${table}`, async () => (await rows(table)) >= frames * LINES, 120_000)

  /** Rows are read and written to disk, the indexer is killed, more comes, and it is back. */
  const killedOnce = async (table: string, restore: boolean): Promise<void> => {
    await druid.apply({ kafka: `127.0.0.1:${kafka.port}` }, await specsOf(table))
    for (let i = 0; i < 3; i++) {
      await send()
      await whole(table)
      await delay(2 * PERSIST.ms)
    }
    await druid.killIndexer()
    await send()
    await druid.startIndexer({ restore })
    await whole(table)
  }

  test('loses nothing and doubles nothing: its tasks begin anew at what is published', async () => {
    await killedOnce('exactly_once', false)
    expect(await rows('exactly_once')).toBe(frames * LINES)
  })

  test('would double a frame if its tasks were restored: why restoreTasksOnRestart is false', async () => {
    await druid.killIndexer()
    await druid.startIndexer({ restore: true })
    await killedOnce('restored', true)
    await until('a frame is there twice', async () => (await rows('restored')) === (frames + 1) * LINES)
    const doubled = `SELECT id FROM restored GROUP BY 1 HAVING COUNT(*) = 2`
    const ids = (await druid.sql(doubled)).map(({ id }) => String(id).split('-')[0])
    expect(ids).toHaveLength(LINES)
    expect(new Set(ids).size).toBe(1)
  })
})
