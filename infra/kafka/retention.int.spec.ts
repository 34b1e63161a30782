import { afterEach, beforeEach, expect, test } from 'vitest'
import { until } from '#infra/testing/until.ts'
import { logStream, logSubject, outputFilters, settledSubject, stateStream } from '#schema/subjects.ts'
import { type Client, openClient } from './fixtures/client.ts'
import { lineOf, openKafka, startDeployment, type TestDeployment } from './fixtures/deployment.ts'
import type { Kafka } from './kafka.ts'

const OUT_OF_RANGE = 1
const CORRUPT = 2
let deployment: TestDeployment
let kafka: Kafka
let client: Client

const reopen = async (): Promise<void> => {
  client?.socket.destroy()
  await kafka?.close()
  kafka = await openKafka(deployment.nats)
  client = await openClient(kafka.port)
}
beforeEach(async () => {
  deployment = await startDeployment()
  await reopen()
})
afterEach(async () => {
  client.socket.destroy()
  await kafka.close()
  await deployment[Symbol.asyncDispose]()
})

const errorAt = async (topic: string, offset: number): Promise<number> =>
  (await client.fetch([{ topic, partition: 0, offset }]))[0].error
const earliest = async (topic: string): Promise<number> => (await client.listOffset(topic, 0, -2)).offset
const latest = async (topic: string): Promise<number> => (await client.listOffset(topic, 0, -1)).offset
const rows = (text: string) => [{ lines: [`{"tenant":"main","row":"${text}"}`] }]
/** Frames of one line each, settled one by one. */
const fill = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await deployment.writer.commit({ to: await deployment.writer.frame(lineOf(`e${i}`)) })
}
const settled = (topic: string, end: number) =>
  until(`${topic} up to ${end}`, async () => (await latest(topic)) === end)

test('what the log no longer has is out of range, and the rest is read from where it begins', async () => {
  await fill(6)
  await deployment.nats.broker.purge(logStream(0), logSubject(0), 4)
  await reopen()
  expect([await earliest('user_events'), await latest('user_events')]).toEqual([4, 7])
  for (const offset of [0, 1, 3, 8]) expect(await errorAt('user_events', offset)).toBe(OUT_OF_RANGE)
  expect((await client.readAll('user_events', 4)).map(([offset]) => offset)).toEqual([4, 5, 6])
  expect(await errorAt('user_events', 7)).toBe(0)
})

test('a log of which all has expired is at its end, and goes on there', async () => {
  await fill(2)
  await deployment.nats.broker.purge(logStream(0), logSubject(0))
  await reopen()
  expect([await earliest('user_events'), await latest('user_events')]).toEqual([3, 3])
  expect(await errorAt('user_events', 2)).toBe(OUT_OF_RANGE)
  const waiting = client.fetch([{ topic: 'user_events', partition: 0, offset: 3 }], { maxWaitMs: 20_000 })
  await fill(1)
  expect((await waiting)[0].batches).toMatchObject([{ from: 3, value: lineOf('e0') }])
})

test('what had expired before anybody read it is passed over', async () => {
  const { writer, nats } = deployment
  for (const id of ['a', 'b', 'c', 'd']) await writer.frame(lineOf(id))
  await nats.broker.purge(logStream(0), logSubject(0), 3)
  await writer.commit({ to: 4, missing: [{ from: 1, to: 2 }] })
  await settled('user_events', 5)
  expect(await earliest('user_events')).toBe(3)
  expect(await client.readAll('user_events', 1)).toEqual([
    [3, lineOf('c')],
    [4, lineOf('d')],
  ])
})

test('frames whose settlement has gone are out of range: nobody knows what of them counted', async () => {
  await fill(4)
  const { broker } = deployment.nats
  const second = await broker.next(stateStream(0), settledSubject(0), 1)
  const third = await broker.next(stateStream(0), settledSubject(0), second!.seq + 1)
  await broker.purge(stateStream(0), settledSubject(0), third!.seq)
  await reopen()
  expect(await earliest('user_events')).toBe(2)
  expect(await errorAt('user_events', 1)).toBe(OUT_OF_RANGE)
  expect((await client.readAll('user_events', 2)).map(([offset]) => offset)).toEqual([2, 3, 4])
})

test('aggregates that have expired are out of range; one who had read them all goes on', async () => {
  const { writer, nats } = deployment
  const heads = [await writer.commit({ aggregates: rows('1') }), await writer.commit({ aggregates: rows('2') })]
  // Quiet ones: they have a settlement and nothing else.
  for (let i = 0; i < 5; i++) await writer.commit({})
  await nats.broker.purge(stateStream(0), outputFilters(0).aggregates)
  await reopen()
  const [first, second] = heads.map((head) => head - 2)
  for (const offset of [0, first, first + 1, second]) expect(await errorAt('aggregates', offset)).toBe(OUT_OF_RANGE)
  expect(await errorAt('aggregates', second + 1)).toBe(0)
  const head = await writer.commit({ aggregates: rows('3') })
  expect(await client.readAll('aggregates', second + 1)).toEqual([[head - 2, '{"tenant":"main","row":"3"}']])
  expect(await earliest('aggregates')).toBe(head - 2)
  expect(await errorAt('aggregates', second)).toBe(OUT_OF_RANGE)
})

test('of a checkpoint of which some has expired the rest is read', async () => {
  const { writer, nats } = deployment
  const head = await writer.commit({ aggregates: [...rows('1'), ...rows('2'), ...rows('3')] })
  await nats.broker.purge(stateStream(0), outputFilters(0).aggregates, head - 2)
  await reopen()
  expect(await errorAt('aggregates', head - 3)).toBe(OUT_OF_RANGE)
  expect((await client.readAll('aggregates', head - 2)).map(([offset]) => offset)).toEqual([head - 2])
})

test('where settlements have gone, nobody is told that nothing is missing', async () => {
  const { writer, nats } = deployment
  const first = await writer.commit({ aggregates: rows('1') })
  const second = await writer.commit({ aggregates: rows('2') })
  const third = await writer.commit({ aggregates: rows('3') })
  await nats.broker.purge(stateStream(0), settledSubject(0), third - 1)
  await nats.broker.purge(stateStream(0), outputFilters(0).aggregates, third - 2)
  await reopen()
  // The second checkpoint may have had rows: only who stands behind it is sure.
  expect(await errorAt('aggregates', first - 1)).toBe(OUT_OF_RANGE)
  expect(await errorAt('aggregates', second + 1)).toBe(OUT_OF_RANGE)
  expect((await client.readAll('aggregates', third - 2)).map(([offset]) => offset)).toEqual([third - 2])
})

test('offsets are the same after a restart of the server and of nats-server', async () => {
  const { writer, server } = deployment
  await fill(3)
  await settled('user_events', 4)
  await server.restart()
  await until('a frame is taken', () => writer.frame(lineOf('later')))
  await writer.commit({ to: (await deployment.nats.broker.range(logStream(0))).last })
  await until('it is served', async () => (await client.readAll('user_events', 1)).length >= 4)
  const before = await client.readAll('user_events', 1)
  await reopen()
  expect(await client.readAll('user_events', 1)).toEqual(before)
})

test.each(['user_events_0', 'KV_window_state_0'])(
  'when %s is made anew nothing of it is served any more, and it is said',
  async (stream) => {
    const { nats, writer } = deployment
    await fill(3)
    await settled('user_events', 4)
    const { config } = await nats.jsm.streams.info(stream)
    const { clusterId } = await client.metadata(null)
    await nats.jsm.streams.delete(stream)
    await nats.jsm.streams.add(config)
    // As many messages as before: by its sequences nobody could tell.
    for (let i = 0; stream === 'user_events_0' && i < 4; i++) await writer.frame(lineOf(`other${i}`))
    expect(await errorAt('user_events', 1)).toBe(CORRUPT)
    expect(await errorAt('user_events', 4)).toBe(CORRUPT)
    expect(kafka.problems().join()).toContain(`${stream} was made anew`)
    await reopen()
    expect((await client.metadata(null)).clusterId).not.toBe(clusterId)
  },
)
