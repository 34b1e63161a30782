import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openClient } from '../kafka/fixtures/client.ts'
import { openKafka, startDeployment, type TestDeployment } from '../kafka/fixtures/deployment.ts'
import type { Kafka } from '../kafka/kafka.ts'
import { freshDruid, noDruid, type TestDruid } from '../testing/druid.ts'
import { until } from '../testing/until.ts'
import { createHealthCheck } from './health.ts'
import { type JsonObject, readSpecs } from './specs.ts'

const TABLE = 'fragile'

/** What Druid cannot take never comes out of rows.ts, so this one reads a topic that is served as it is written. */
const fragileSpecs = async () => {
  const { supervisors } = await readSpecs()
  const supervisor = structuredClone(supervisors.minly_aggs) as { spec: Record<string, JsonObject> } & JsonObject
  supervisor.spec.dataSchema.dataSource = TABLE
  supervisor.spec.ioConfig.topic = 'aggregates'
  return { supervisors: { [TABLE]: supervisor }, rules: {}, compaction: {} }
}

const row = (more: object = {}) => JSON.stringify({ table: 'minly', start: 0, tenant: 'main', events: 1, ...more })

describe.skipIf(noDruid)('the health of tables', () => {
  let druid: TestDruid
  let deployment: TestDeployment
  let kafka: Kafka
  beforeAll(async () => {
    druid = await freshDruid()
    deployment = await startDeployment()
    kafka = await openKafka(deployment.nats)
    await druid.apply({ kafka: `127.0.0.1:${kafka.port}` }, await fragileSpecs())
  })
  afterAll(async () => {
    await kafka?.close()
    await deployment?.[Symbol.asyncDispose]()
  })

  const checkOf = (...tables: string[]) => createHealthCheck({ druid: druid.management, tables, now: Date.now })

  test('a table that is fed is well, one without a supervisor is not', async () => {
    await deployment.writer.commit({ aggregates: [{ lines: [row(), row()] }] })
    await until('rows', async () => (await druid.sql(`SELECT SUM(events) AS n FROM ${TABLE}`))[0].n === 2)
    const check = checkOf(TABLE, 'nothing')
    const health = await until('it has caught up', async () => {
      const looked = await check.look()
      return looked.tables[0].lag === 0 && looked
    })
    expect(health.tables[0]).toMatchObject({ table: TABLE, topic: 'aggregates', state: 'RUNNING', problem: null })
    expect(health.problems).toEqual(['nothing has no supervisor: npm run druid -- apply'])
  })

  test('a record that fails every task is named, with its topic, partition and offset', async () => {
    const bad = row({ uniques: 'no sketch!' })
    await deployment.writer.commit({ aggregates: [{ lines: [row(), bad, row()] }] })
    await deployment.writer.commit({ aggregates: [{ lines: [row()] }] })
    const check = checkOf(TABLE)
    const isKnown = async () => {
      const looked = await check.look()
      return typeof looked.tables[0].poison[0]?.offset === 'number' && looked
    }
    const { tables, problems } = await until('the record is known', isKnown, 120_000)
    const error = expect.stringContaining('Illegal base64 character')
    const [{ offset }] = tables[0].poison
    expect(tables[0].poison).toEqual([{ topic: 'aggregates', partition: 0, offset, error }])
    const words = `topic aggregates at partition 0, the first record from offset ${offset} on`
    expect(problems).toEqual([expect.stringContaining(words)])
    using client = await openClient(kafka.port)
    const [[, value]] = await client.readAll('aggregates', Number(offset))
    expect(value).toContain(bad)
  })
})
