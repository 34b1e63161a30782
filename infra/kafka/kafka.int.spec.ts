import { Registry } from 'prom-client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from '#infra/testing/until.ts'
import { openClient, skimBatches } from './fixtures/client.ts'
import { lineOf, openKafka, startDeployment, type TestDeployment } from './fixtures/deployment.ts'
import type { Kafka } from './kafka.ts'

const [A, B, C] = ['a', 'b', 'c'].map((id) => lineOf(id))
let deployment: TestDeployment
let kafka: Kafka

beforeAll(async () => {
  deployment = await startDeployment()
  kafka = await openKafka(deployment.nats)
})
afterAll(async () => {
  await kafka?.close()
  await deployment?.[Symbol.asyncDispose]()
})

test('frames are served when they are settled, without the lines that did not count', async () => {
  const { writer } = deployment
  using client = await openClient(kafka.port)
  const whole = await writer.frame(`${A}\n${B}`)
  const cut = await writer.frame([A, B, C].join('\n'))
  const control = await writer.frame('{"kind":"tick","clocks":[]}', 'control')
  const none = await writer.frame(A)
  const unsettled = await writer.frame(C)
  expect((await client.fetch([{ topic: 'user_events', partition: 0, offset: whole }]))[0]).toMatchObject({
    error: 0,
    end: whole,
    batches: [],
  })

  const waiting = client.fetch([{ topic: 'user_events', partition: 0, offset: whole }], { maxWaitMs: 20_000 })
  await writer.commit({ to: none, outcomes: { [cut]: 'DCL', [none]: 'D' } })
  const records = [
    { from: whole, to: whole, value: `${A}\n${B}` },
    { from: cut, to: cut, value: B },
  ]
  expect((await waiting)[0].batches[0]).toMatchObject(records[0])
  // From the cache, and by a server that has none.
  const other = await openKafka(deployment.nats)
  using second = await openClient(other.port)
  for (const one of [client, second]) {
    const [part] = await one.fetch([{ topic: 'user_events', partition: 0, offset: whole }])
    expect(part).toMatchObject({ error: 0, end: none + 1 })
    expect(part.batches).toMatchObject([...records, { from: control, to: none, value: null }])
    expect(await one.fetch([{ topic: 'user_events', partition: 0, offset: unsettled }])).toMatchObject([
      { error: 0, batches: [] },
    ])
  }
  await other.close()
})

test('aggregates are served as they are, and for Druid as flat rows with a position behind them', async () => {
  const { writer } = deployment
  using client = await openClient(kafka.port)
  const before = (await client.listOffset('aggregates', 0, -1)).offset
  const row = {
    tenant: 'main',
    metric: 'views',
    version: 1,
    size: 60_000,
    start: 0,
    dims: [],
    events: 1,
    corrections: 0,
  }
  const lines = [JSON.stringify(row)]
  const head = await writer.commit({ aggregates: [{ lines }, { metric: 'hits', lines }], late: ['late'] })
  // Segment, two of aggregates, one late, the settlement, the head.
  const first = head - 4
  expect(await client.readAll('aggregates', before)).toEqual([
    [first, lines[0]],
    [first + 1, lines[0]],
  ])
  expect(await client.listOffset('aggregates', 0, -1)).toMatchObject({ offset: first + 2 })
  const rows = await client.readAll('olap_aggregates', first)
  expect(rows.map(([offset, value]) => [offset, JSON.parse(value).table])).toEqual([
    [first, 'minly'],
    [first + 1, 'minly'],
    [head - 1, 'position'],
  ])
})

test('what it serves and how far its readers are is measured', async () => {
  const { nats, writer } = deployment
  const registry = new Registry()
  const measured = await openKafka(nats, { registry })
  using client = await openClient(measured.port)
  await writer.commit({ to: await writer.frame(A) })
  const end = (await nats.broker.range('user_events_0')).last + 1
  await until('it is settled', async () => (await client.listOffset('user_events', 0, -1)).offset === end)
  await client.fetch([{ topic: 'user_events', partition: 0, offset: end - 1 }])
  const values = Object.fromEntries(
    (await registry.metrics())
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => line.split(' ')),
  )
  expect(values).toMatchObject({
    'millrace_kafka_requests_total{api="Fetch"}': '1',
    'millrace_kafka_records_total{topic="user_events"}': '1',
    'millrace_kafka_end_offset{topic="user_events",partition="0"}': String(end),
    'millrace_kafka_lag_offsets{topic="user_events",partition="0"}': '1',
    millrace_kafka_connections: '1',
    millrace_kafka_bytes_in_flight: expect.stringMatching(/^\d+$/),
  })
  await measured.close()
})

test('many who catch up at once cost the connection to NATS nothing', async () => {
  await using other = await startDeployment()
  const text = lineOf('x'.repeat(400_000))
  let to = 0
  for (let i = 0; i < 2; i++) {
    const frames = await Promise.all(Array.from({ length: 16 }, () => other.writer.frame(text)))
    to = Math.max(...frames)
    await other.writer.commit({ to })
  }
  const lost: string[] = []
  const watch = async (): Promise<void> => {
    for await (const { type } of other.nats.nc.status()) if (type === 'disconnect') lost.push(type)
  }
  void watch()
  const reading = await openKafka(other.nats)
  const readers = Array.from({ length: 40 }, async () => {
    using client = await openClient(reading.port)
    const position = { topic: 'user_events', partition: 0, offset: 1, maxBytes: 8_000_000 }
    const [{ error, batches }] = await client.fetchWith([position], { maxWaitMs: 30_000 }, skimBatches)
    expect(error).toBe(0)
    return batches.records
  })
  expect(Math.min(...(await Promise.all(readers)))).toBeGreaterThan(0)
  expect(lost).toEqual([])
  await reading.close()
})
