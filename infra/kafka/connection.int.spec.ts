import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { until } from '#infra/testing/until.ts'
import { createMemoryTracer } from '#schema/testing/tracer.ts'
import { API } from './codes.ts'
import { openClient } from './fixtures/client.ts'
import { startFakeKafka } from './fixtures/fake-kafka.ts'
import type { WireWriter } from './wire.ts'

const TOPIC = 'user_events'
const at = (offset: number, maxBytes?: number) => [{ topic: TOPIC, partition: 0, offset, maxBytes }]
const users = {
  find: async ({ name, password }: { name: string; password: string }) =>
    name === 'ann' && password === 'secret' ? { name, topics: [TOPIC], tenant: 'shop' } : null,
}

test('what it can is told, in the form of each version; of a newer one in the oldest form, with an error', async () => {
  await using kafka = await startFakeKafka()
  using client = await openClient(kafka.port)
  const triples = (count: number, read: () => number[]) => Array.from({ length: count }, read)
  const wanted = [
    [0, 3, 3],
    [1, 4, 11],
    [2, 1, 5],
    [3, 4, 8],
    [10, 0, 2],
    [18, 0, 3],
  ]
  for (const version of [0, 1, 2, 4, 9]) {
    const answer = await client.ask(API.apiVersions, version, () => {})
    expect(answer.int16()).toBe(version > 3 ? 35 : 0)
    expect(triples(answer.int32(), () => [answer.int16(), answer.int16(), answer.int16()])).toEqual(wanted)
    expect(answer.left).toBe(version === 1 || version === 2 ? 4 : 0)
  }
  const answer = await client.ask(API.apiVersions, 3, (writer) =>
    writer.int8(0).int8(2).int8(65).int8(2).int8(49).int8(0),
  )
  expect([answer.int16(), answer.int8()]).toEqual([0, wanted.length + 1])
  const flexible = triples(wanted.length, () => {
    const triple = [answer.int16(), answer.int16(), answer.int16()]
    answer.int8()
    return triple
  })
  expect([flexible, answer.left]).toEqual([wanted, 5])
})

test.each([4, 5, 7, 8])(
  'Metadata of version %i names the server, its topics and the ones that there are not',
  async (version) => {
    await using kafka = await startFakeKafka()
    using client = await openClient(kafka.port)
    const partitions = [{ error: 0, id: 0, leader: 1 }]
    const topic = { error: 0, name: TOPIC, isInternal: false, partitions }
    expect(await client.metadata(null, version)).toEqual({
      brokers: [{ id: 1, host: '127.0.0.1', port: kafka.port }],
      clusterId: 'fake',
      controller: 1,
      topics: [topic],
    })
    const { topics } = await client.metadata([TOPIC, 'nothing'], version)
    expect(topics).toEqual([topic, { error: 3, name: 'nothing', isInternal: false, partitions: [] }])
  },
)

test.each([1, 2, 4, 5])('ListOffsets of version %i finds the ends and places by time', async (version) => {
  await using kafka = await startFakeKafka({ values: ['a', 'b', 'c'] })
  using client = await openClient(kafka.port)
  const ask = (timestamp: number, partition = 0) => client.listOffset(TOPIC, partition, timestamp, version)
  expect(await ask(-2)).toEqual({ error: 0, timestamp: -1, offset: 1 })
  expect(await ask(-1)).toEqual({ error: 0, timestamp: -1, offset: 4 })
  expect(await ask(1_001)).toEqual({ error: 0, timestamp: 1_001, offset: 2 })
  expect(await ask(2_000)).toEqual({ error: 0, timestamp: -1, offset: -1 })
  for (const partition of [1, -1]) expect(await ask(-1, partition)).toMatchObject({ error: 3, offset: -1 })
})

test.each([4, 5, 7, 9, 10, 11])(
  'Fetch of version %i gives records, an error beyond them, and the end',
  async (version) => {
    await using kafka = await startFakeKafka({ values: ['a', 'b', 'c'] })
    using client = await openClient(kafka.port)
    const fetch = async (offset: number) => (await client.fetch(at(offset), { version }))[0]
    expect(await fetch(2)).toMatchObject({
      error: 0,
      end: 4,
      batches: [
        { from: 2, value: 'b', timestamp: 1_001 },
        { from: 3, value: 'c' },
      ],
    })
    expect(await fetch(4)).toMatchObject({ error: 0, end: 4, batches: [] })
    expect(await fetch(5)).toMatchObject({ error: 1 })
    expect(await fetch(-1)).toMatchObject({ error: 1 })
    expect((await client.fetch([{ topic: 'nothing', partition: 0, offset: 0 }], { version }))[0]).toMatchObject({
      error: 3,
    })
  },
)

test('Fetch keeps to the bytes that are asked for, but gives one record at least', async () => {
  await using kafka = await startFakeKafka({ values: Array.from({ length: 9 }, () => 'x'.repeat(1_000)) })
  using client = await openClient(kafka.port)
  const count = async (maxBytes: number, of?: number) => (await client.fetch(at(1, of), { maxBytes }))[0].batches.length
  expect([await count(10), await count(3_500), await count(1e6), await count(1e6, 2_500)]).toEqual([1, 3, 9, 2])
})

test('a Fetch that waits is answered as soon as there is something, or enough, or its time is over', async () => {
  await using kafka = await startFakeKafka({ values: ['a'] })
  using client = await openClient(kafka.port)
  const one = client.fetch(at(2), { maxWaitMs: 30_000 })
  await until('it waits', () => kafka.waiting() === 1)
  kafka.append('b')
  expect((await one)[0].batches).toMatchObject([{ from: 2, value: 'b' }])

  let isAnswered = false
  const enough = client.fetch(at(3), { maxWaitMs: 30_000, minBytes: 150 }).finally(() => {
    isAnswered = true
  })
  await until('it waits', () => kafka.waiting() === 1)
  kafka.append('c')
  await until('it waits again', () => kafka.waiting() === 1)
  expect(isAnswered).toBe(false)
  kafka.append('d')
  kafka.append('e')
  expect((await enough)[0].batches.length).toBeGreaterThan(1)
  expect((await client.fetch(at(6), { maxWaitMs: 50 }))[0].batches).toEqual([])
  expect(kafka.waiting()).toBe(0)
})

test('an answer that holds records makes a span, and no other does', async () => {
  const { tracer, spans } = createMemoryTracer()
  await using kafka = await startFakeKafka({ values: ['a', 'b'], tracer })
  using client = await openClient(kafka.port)
  await client.fetch(at(3))
  await client.fetch(at(1))
  await until('it has ended', () => spans().length > 0)
  const sent = { 'messaging.destination.name': TOPIC, 'messaging.batch.message_count': 2, 'millrace.bytes': 138 }
  expect(spans().map(({ name, attributes }) => [name, attributes])).toEqual([['Fetch', expect.objectContaining(sent)]])
})

test('nobody writes, and there are no groups: both is said at once', async () => {
  await using kafka = await startFakeKafka()
  using client = await openClient(kafka.port)
  const produce = (acks: number) => (writer: WireWriter) =>
    writer
      .string(null)
      .int16(acks)
      .int32(1_000)
      .int32(1)
      .string(TOPIC)
      .int32(1)
      .int32(0)
      .int32(3)
      .append(Buffer.from('abc'))
  const refusal = await client.ask(API.produce, 3, produce(-1))
  expect([refusal.int32(), refusal.string(), refusal.int32(), refusal.int32(), refusal.int16()]).toEqual([
    1,
    TOPIC,
    1,
    0,
    29,
  ])
  // One that wants no answer gets none: the next answer is the next request's.
  const unanswered = client.ask(API.produce, 3, produce(0))
  void client.ask(API.findCoordinator, 1, (writer) => writer.string('group').int8(0)).catch(() => {})
  await expect(unanswered).rejects.toThrow('the answer is to another request')
  expect(kafka.refused).toMatchObject({ produce: 2, group: 1 })
})

test.each([0, 1, 2])('FindCoordinator of version %i is refused in words', async (version) => {
  await using kafka = await startFakeKafka()
  using client = await openClient(kafka.port)
  const answer = await client.ask(API.findCoordinator, version, (writer) => writer.string('group'))
  if (version >= 1) answer.int32()
  expect(answer.int16()).toBe(30)
  if (version >= 1) expect(answer.string()).toContain('no groups')
  expect([answer.int32(), answer.string(), answer.int32(), answer.left]).toEqual([-1, '', -1, 0])
})

const plain = (name: string, password: string): Buffer => Buffer.from(`\0${name}\0${password}`)

test('who has to say who he is gets nothing before, and only his topics after', async () => {
  await using kafka = await startFakeKafka({
    users,
    values: ['{"tenant":"other"}', '{"tenant":"shop","n":1}\n{"tenant":"other"}', '{"tenant":"other"}'],
  })
  using early = await openClient(kafka.port)
  await expect(early.metadata(null)).rejects.toThrow('closed')

  using client = await openClient(kafka.port)
  expect((await client.ask(API.apiVersions, 0, () => {})).int16()).toBe(0)
  const unknown = await client.ask(API.saslHandshake, 1, (writer) => writer.string('SCRAM-SHA-256'))
  expect([unknown.int16(), unknown.int32(), unknown.string()]).toEqual([33, 1, 'PLAIN'])
  expect((await client.ask(API.saslHandshake, 1, (writer) => writer.string('PLAIN'))).int16()).toBe(0)
  const bytes = plain('ann', 'secret')
  const welcome = await client.ask(API.saslAuthenticate, 1, (writer) => writer.int32(bytes.length).append(bytes))
  expect([welcome.int16(), welcome.nullableString(), welcome.int32(), welcome.int64(), welcome.left]).toEqual([
    0,
    null,
    0,
    0,
    0,
  ])
  expect((await client.metadata([TOPIC, 'aggregates'])).topics.map(({ error }) => error)).toEqual([0, 29])
  expect(await client.fetch([{ topic: 'aggregates', partition: 0, offset: 1 }])).toMatchObject([{ error: 29 }])
  expect(await client.listOffset('aggregates', 0, -1)).toMatchObject({ error: 29 })
  // Lines of others are cut as those that did not count, and what is left without a line is passed over.
  expect((await client.fetch(at(1)))[0].batches).toMatchObject([
    { from: 2, to: 2, value: '{"tenant":"shop","n":1}' },
    { from: 3, to: 3, value: null },
  ])
})

test('credentials without a request around them, as after a handshake of version 0', async () => {
  await using kafka = await startFakeKafka({ users })
  const login = async (password: string) => {
    const client = await openClient(kafka.port)
    await client.ask(API.saslHandshake, 0, (writer) => writer.string('PLAIN'))
    return { client, answer: client.sendFrame(plain('ann', password)) }
  }
  const right = await login('secret')
  expect((await right.answer).length).toBe(0)
  expect((await right.client.metadata(null)).topics).toHaveLength(1)
  const wrong = await login('guess')
  await expect(wrong.answer).rejects.toThrow('closed')
  expect(kafka.refused).toMatchObject({ authentication: 1 })
  right.client.socket.destroy()
})

test('a wrong password is said in words, and ends the connection', async () => {
  await using kafka = await startFakeKafka({ users })
  using client = await openClient(kafka.port)
  const bytes = plain('ann', 'guess')
  const answer = await client.ask(API.saslAuthenticate, 0, (writer) => writer.int32(bytes.length).append(bytes))
  expect([answer.int16(), answer.string(), answer.int32()]).toEqual([58, 'wrong name or password', 0])
  await client.closed
})

test('who reads too slowly holds one answer in memory, nobody else up, and is left after a while', async () => {
  const values = Array.from({ length: 100 }, () => 'x'.repeat(200_000))
  await using kafka = await startFakeKafka({ values, limits: { answerMs: 1_500 } })
  using slow = await openClient(kafka.port)
  slow.socket.pause()
  for (let i = 0; i < 5; i++) void slow.fetch(at(1, 50_000_000)).catch(() => {})
  await until('an answer is on its way', () => kafka.taken() > 1_000_000)
  expect(kafka.taken()).toBeLessThan(10_000_000)
  using other = await openClient(kafka.port)
  expect((await other.fetch(at(1, 50_000_000)))[0].batches.length).toBeGreaterThan(10)
  await until('it is left', () => kafka.sessions() === 1)
  expect(kafka.refused).toMatchObject({ slow: 1 })
  expect(kafka.taken()).toBe(0)
})

test('one who waits and goes is forgotten', async () => {
  await using kafka = await startFakeKafka()
  const client = await openClient(kafka.port)
  void client.fetch(at(1), { maxWaitMs: 30_000 }).catch(() => {})
  await until('it waits', () => kafka.waiting() === 1)
  client.socket.resetAndDestroy()
  await until('it is gone', () => kafka.sessions() === 0 && kafka.waiting() === 0)
  expect(kafka.taken()).toBe(0)
})

test.each([
  ['says nothing of itself', { loginMs: 200 }, '', { slow: 1 }],
  ['leaves a request unfinished', { requestMs: 200 }, '0000', { slow: 1 }],
  ['says nothing', { idleMs: 200 }, '', {}],
])('one that %s is left', async (_, limits, hex, refused) => {
  await using kafka = await startFakeKafka({ limits, users: 'loginMs' in limits ? users : null })
  using client = await openClient(kafka.port)
  client.socket.write(Buffer.from(hex, 'hex'))
  await client.closed
  expect(kafka.refused).toEqual(refused)
})

test('more connections than there may be are closed, and those that there are go on', async () => {
  await using kafka = await startFakeKafka({ values: ['a'], limits: { connections: 2 } })
  using first = await openClient(kafka.port)
  using second = await openClient(kafka.port)
  const third = connect(kafka.port, '127.0.0.1')
  third.on('error', () => {})
  await new Promise((resolve) => third.once('close', resolve))
  for (const client of [first, second]) expect((await client.fetch(at(1)))[0].batches).toHaveLength(1)
  expect(kafka.refused).toEqual({ connections: 1 })
})
