import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { AggregateRow, SessionRow } from '#schema/checkpoint.ts'
import type { EventLine } from '#schema/event.ts'
import { openKafka, startDeployment, type TestDeployment } from '../kafka/fixtures/deployment.ts'
import type { Kafka } from '../kafka/kafka.ts'
import { freshDruid, noDruid, type TestDruid } from '../testing/druid.ts'
import { until } from '../testing/until.ts'

const RECEIVED = Date.parse('2026-05-04T10:00:00.250Z')
const MINUTE = Date.parse('2026-05-04T10:00:00Z')

const line = (id: string, properties: string, more: Partial<EventLine> = {}): string => {
  const event = {
    tenant: 'main',
    source: 'live',
    receivedAt: RECEIVED,
    time: RECEIVED,
    key: `session of ${id}`,
    weight: 1,
    schema: 3,
    ...more,
    e: { id, name: 'view', userId: 'u', properties: '?' },
  }
  return JSON.stringify(event).replace('"?"', properties)
}

/** What clients may send as properties, and a column of JSON, of text or of numbers may stumble over. */
const HOSTILE = [
  '{}',
  '[]',
  '"text"',
  '5',
  '{"price":"x"}',
  '{"price":[1,"x",null]}',
  '{"price":{"a":{"b":1}}}',
  '{"price":true}',
  '{"price":[{"a":1},{"a":"x"}]}',
  '{"price":1e400}',
  '{"price":-0.0}',
  '{"price":9223372036854775808}',
  '{"":1,"a.b":2,"$":3,"[0]":4}',
  '{"__time":5,"time":"x","tenant":"other"}',
  '{"price":"\\u0000"}',
  '{"price":"\\ud800"}',
  `{"price":"${'x'.repeat(60_000)}"}`,
  `{"price":${'['.repeat(30)}${']'.repeat(30)}}`,
]

const slice = (more: Partial<AggregateRow> = {}): string =>
  JSON.stringify({
    tenant: 'main',
    metric: 'views',
    version: 1,
    size: 60_000,
    start: MINUTE,
    dims: ['DE', null],
    events: 1,
    corrections: 0,
    n: 1,
    ...more,
  } satisfies AggregateRow)

const session = (more: Partial<SessionRow> = {}): string =>
  JSON.stringify({
    tenant: 'main',
    metric: '_sessions',
    version: 1,
    gap: 1_800_000,
    source: 'live',
    session: 's1',
    start: MINUTE,
    end: MINUTE + 1_800_000,
    dims: ['DE', 'Firefox', null, null, 'u', null],
    events: 1,
    corrections: 0,
    revision: 1,
    ...more,
  } satisfies SessionRow)

describe.skipIf(noDruid)('tables of Druid', () => {
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

  const count = async (from: string): Promise<unknown> => (await druid.sql(`SELECT COUNT(*) AS n FROM ${from}`))[0].n

  /** Ends the tasks of a table with what they have: its segments are made and loaded. */
  const handOver = async (table: string): Promise<void> => {
    await druid.management.post(`/druid/indexer/v1/supervisor/${table}/taskGroups/handoff`, { taskGroupIds: [0] })
    await until(`${table} is handed over`, async () => {
      const rows = await druid.sql(`SELECT is_realtime AS r FROM sys.segments WHERE datasource = '${table}'`)
      return rows.length > 0 && rows.every(({ r }) => r === 0)
    })
  }

  test('raw_events takes every event that counted, whatever its properties and its time are', async () => {
    const { writer } = deployment
    const lines = HOSTILE.map((properties, i) => line(`h${i}`, properties))
    lines.push(line('p1', '{"price":1}'), line('p2', '{"price":2.5}'))
    lines.push(line('y1970', '{}', { time: 0 }), line('y9999', '{}', { time: Date.parse('9999-12-31T23:59:59.999Z') }))
    lines.push(line('y2015', '{}', { source: 'apache', time: Date.parse('2015-05-17T10:05:03Z'), country: 'US' }))
    const first = await writer.frame(lines.join('\n'))
    const second = await writer.frame([line('counts', '{}'), line('does not', '{}')].join('\n'))
    await writer.commit({ to: second, outcomes: { [second]: 'CD' } })
    expect(first).toBeLessThan(second)

    await until('all rows', async () => (await count('raw_events')) === lines.length + 1)
    await handOver('raw_events')
    expect(await count('raw_events')).toBe(lines.length + 1)
    const [row] = await druid.sql(`SELECT * FROM raw_events WHERE id = 'y2015'`)
    expect(row).toMatchObject({
      __time: '2015-05-17T10:05:03.000Z',
      tenant: 'main',
      source: 'apache',
      name: 'view',
      session_id: 'session of y2015',
      user_id: 'u',
      anonymous_id: null,
      properties: '{}',
      country: 'US',
      browser: null,
      weight: 1,
      schema_version: 3,
      received_at: RECEIVED,
    })
    // A column of type JSON would answer null for all prices of a segment in which one is a list; see docs/druid.md.
    const price = `CAST(TO_JSON_STRING(JSON_QUERY(PARSE_JSON(properties), '$.price')) AS DOUBLE)`
    const [sum] = await druid.sql(
      `SELECT SUM(${price}) AS s FROM raw_events WHERE id IN ('h4', 'h5', 'h6', 'p1', 'p2')`,
    )
    expect(sum.s).toBe(3.5)
  })

  test('aggregates add up, each in the table of its size, and positions stand beside them', async () => {
    const { writer } = deployment
    const hour = { size: 3_600_000 }
    const old = Date.parse('2015-05-17T10:05:00Z')
    const aggregates = [
      { lines: [slice(), slice({ n: 2, events: 2 }), slice({ dims: ['US', null] }), slice({ start: old, n: 4 })] },
      { lines: [slice(hour), slice({ ...hour, n: 5, events: 5, corrections: 1, correctedAt: RECEIVED })] },
      { metric: '_sessions', lines: [session(), session({ revision: 2, events: 3, ended: 7 })] },
      {
        metric: 'top',
        lines: [
          slice({
            metric: 'top',
            items: [
              ['/a', 3],
              ['/b', 1],
            ],
          }),
        ],
      },
    ]
    await writer.commit({ aggregates })
    await writer.commit({ aggregates: [{ lines: [slice({ n: 10, events: 10 })] }] })
    const position = async (table: string) =>
      (await druid.sql(`SELECT MAX("position") AS p FROM ${table} WHERE position_of = 0`))[0].p
    for (const table of ['minly_aggs', 'hourly_aggs', 'session_aggs']) {
      await until(`${table} has it all`, async () => (await position(table)) === 3)
    }
    const check = async () => {
      const columns = 'SUM(events) AS e, SUM("count") AS n, SUM(corrections) AS c, MAX(corrected_at) AS latest'
      const minutes = `SELECT d1, dims, ${columns} FROM minly_aggs WHERE metric = 'views' AND "size" = 60000 AND __time = '2026-05-04 10:00:00' GROUP BY 1, 2`
      expect(await druid.sql(minutes)).toEqual([
        { d1: 'DE', dims: '["DE",null]', e: 13, n: 13, c: 0, latest: null },
        { d1: 'US', dims: '["US",null]', e: 1, n: 1, c: 0, latest: null },
      ])
      expect(await druid.sql(`SELECT ${columns} FROM minly_aggs WHERE __time < '2016-01-01'`)).toMatchObject([
        { e: 1, n: 4 },
      ])
      expect(await druid.sql(`SELECT ${columns} FROM hourly_aggs WHERE position_of IS NULL`)).toEqual([
        { e: 6, n: 6, c: 1, latest: RECEIVED },
      ])
      const items = `SELECT item, SUM(item_count) AS n FROM minly_aggs WHERE metric = 'top' AND item IS NOT NULL GROUP BY 1`
      expect(await druid.sql(items)).toEqual([
        { item: '/a', n: 3 },
        { item: '/b', n: 1 },
      ])
      const sessions = `SELECT "session", "revision", SUM(events) AS e, MAX(ended) AS ended, "end", d2 FROM session_aggs WHERE position_of IS NULL GROUP BY 1, 2, 5, 6`
      expect(await druid.sql(sessions)).toEqual([
        { session: 's1', revision: 1, e: 1, ended: null, end: MINUTE + 1_800_000, d2: 'Firefox' },
        { session: 's1', revision: 2, e: 3, ended: 7, end: MINUTE + 1_800_000, d2: 'Firefox' },
      ])
    }
    await check()
    for (const table of ['minly_aggs', 'hourly_aggs', 'session_aggs']) await handOver(table)
    await check()
    // Rolled up: the first two and the later one are one row.
    expect(await count(`minly_aggs WHERE metric = 'views' AND d1 = 'DE' AND __time > '2016-01-01'`)).toBe(1)
  })
})
