import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Broker, type ConsumeOptions, type Delivery, type Headers, Refused, type StoredMessage } from './broker.ts'

/** A fresh server with the streams of a deployment of one partition. */
export type OpenBroker = () => Promise<{
  broker: Broker
  /** SIGKILL and a new start; resolves when it serves again. */
  restart(): Promise<void>
  remove(): Promise<void>
}>

const LOG = 'user_events_0'
const STATE = 'KV_window_state_0'
const HEAD = '$KV.window_state_0.head'
const segment = (name: string): string => `$KV.window_state_0.segment.0.${name}.0`
const AGGREGATES = 'aggregates.main.views.0'
const TIMEOUT_MS = 5_000
const encoder = new TextEncoder()
const decoder = new TextDecoder()
const text = (message: StoredMessage | null | undefined): string | undefined =>
  message ? decoder.decode(message.data) : undefined

const take = async (delivery: Delivery, count: number): Promise<StoredMessage[]> => {
  const taken: StoredMessage[] = []
  for await (const message of delivery) if (taken.push(message) === count) break
  return taken
}

/** What the pipeline takes for granted of a NATS server: the real one and the simulated one run it. */
export const brokerContract = (name: string, open: OpenBroker): void => {
  let broker: Broker
  let restart: () => Promise<void>
  let remove: () => Promise<void>
  beforeEach(async () => {
    ;({ broker, restart, remove } = await open())
  })
  afterEach(() => remove())

  const publish = async (subject: string, data: string, headers: Headers = {}): Promise<number> => {
    const ack = await broker.publish(subject, encoder.encode(data), headers, TIMEOUT_MS)
    return ack!.seq
  }
  const log = (data: string, headers: Headers = {}) => publish('user_events.0', data, headers)
  const never = { 'Nats-TTL': 'never' }
  const expecting = (sequence: number): Headers => ({
    ...never,
    'Nats-Expected-Last-Subject-Sequence': String(sequence),
    'Nats-Rollup': 'sub',
  })
  const refusal = (promise: Promise<unknown>): Promise<number> =>
    promise.then(
      () => Number.NaN,
      (error: unknown) => (error instanceof Refused ? error.code : Promise.reject(error)),
    )
  let batches = 0
  /** Sends a batch; answers the acknowledgement of its last message. */
  const batch = async (messages: [subject: string, data: string, headers?: Headers][], leaveOut?: number) => {
    const id = `batch-${batches++}`
    for (const [i, [subject, data, headers = {}]] of messages.entries()) {
      const last = i === messages.length - 1
      const all = {
        ...never,
        ...headers,
        'Nats-Batch-Id': id,
        'Nats-Batch-Sequence': String(i + 1),
        ...(last ? { 'Nats-Batch-Commit': '1' } : {}),
      }
      if (i === leaveOut) continue
      if (i === 0 || last) {
        const ack = await broker.publish(subject, encoder.encode(data), all, TIMEOUT_MS)
        if (last) return ack
        expect(ack).toBeNull()
      } else broker.send(subject, encoder.encode(data), all)
    }
    return null
  }
  const follow = (stream: string, options: ConsumeOptions) => broker.consume(stream, options)

  describe(`${name}: streams`, () => {
    it('number their messages without a hole, and tell their range', async () => {
      expect(await broker.range(LOG)).toMatchObject({ last: 0 })
      expect([await log('a'), await log('b')]).toEqual([1, 2])
      const { bytes, ...range } = await broker.range(LOG)
      expect(range).toMatchObject({ first: 1, last: 2 })
      await log('c'.repeat(1_000))
      const more = (await broker.range(LOG)).bytes - bytes
      expect(more).toBeGreaterThanOrEqual(1_000)
      expect(more).toBeLessThan(1_200)
    })

    it('keep one of the messages with the same id, also over a restart', async () => {
      expect(await log('a', { 'Nats-Msg-Id': 'x' })).toBe(1)
      const again = await broker.publish('user_events.0', encoder.encode('a'), { 'Nats-Msg-Id': 'x' }, TIMEOUT_MS)
      expect(again).toEqual({ seq: 1, duplicate: true })
      await restart()
      expect(await log('a', { 'Nats-Msg-Id': 'x' })).toBe(1)
      expect(await broker.range(LOG)).toMatchObject({ first: 1, last: 1 })
    })

    it('store a message with its headers, subject and time', async () => {
      await log('a', { 'Millrace-Kind': 'events' })
      const [message] = await take(await follow(LOG, { start: 1 }), 1)
      expect([message.subject, message.seq, text(message), message.header('Millrace-Kind')]).toEqual([
        'user_events.0',
        1,
        'a',
        'events',
      ])
      expect(message.header('No-Such')).toBe('')
      expect(message.storedAt).toBeGreaterThan(1_600_000_000_000)
    })

    it('find the last message of a subject, and the first from a sequence on', async () => {
      await publish(segment('a'), '1', never)
      await publish(AGGREGATES, '2', never)
      await publish(AGGREGATES, '3', never)
      expect(text(await broker.last(STATE, AGGREGATES))).toBe('3')
      expect(text(await broker.last(STATE, 'aggregates.*.*.0'))).toBe('3')
      expect(['3', undefined]).toContain(text(await broker.lastCopy(STATE, AGGREGATES)))
      expect(text(await broker.next(STATE, AGGREGATES, 1))).toBe('2')
      expect(text(await broker.next(STATE, 'aggregates.*.*.0', 3))).toBe('3')
      expect(await broker.next(STATE, AGGREGATES, 4)).toBeNull()
      expect(await broker.last(STATE, HEAD)).toBeNull()
      expect((await broker.subjects(STATE, '$KV.window_state_0.segment.>')).sort()).toEqual([segment('a')])
    })

    it('give a batch of messages from a sequence on', async () => {
      for (const data of ['a', 'b', 'c']) await log(data)
      const read = async (sequence: number) => {
        const found: string[] = []
        for await (const message of broker.batch(LOG, sequence, 5)) found.push(decoder.decode(message.data))
        return found
      }
      expect([await read(2), await read(4)]).toEqual([['b', 'c'], []])
      await broker.purge(LOG, 'user_events.0')
      expect(await read(1)).toEqual([])
    })

    it('give of a batch those of a filter, and end it with so many bytes', async () => {
      await publish(segment('a'), '1', never)
      for (const data of ['2'.repeat(1_000), '3'.repeat(1_000), '4'.repeat(1_000)])
        await publish(AGGREGATES, data, never)
      const read = async (bytes: number) => {
        const found: number[] = []
        const options = { filter: 'aggregates.*.*.0', bytes }
        for await (const { seq } of broker.batch(STATE, 1, 9, options)) found.push(seq)
        return found
      }
      expect(await read(100_000)).toEqual([2, 3, 4])
      expect(await read(10)).toEqual([2])
      expect(await read(1_500)).toEqual([2, 3])
    })

    it('purge the messages of a filter before a sequence, and only those', async () => {
      for (const id of ['a', 'b', 'c']) await publish(segment(id), id, never)
      await publish(AGGREGATES, 'd', never)
      await broker.purge(STATE, '$KV.window_state_0.segment.0.*.*', 3)
      expect(await broker.subjects(STATE, '>')).toHaveLength(2)
      await broker.purge(STATE, segment('c'))
      expect(await broker.subjects(STATE, '>')).toEqual([AGGREGATES])
    })
  })

  describe(`${name}: compare-and-set`, () => {
    it('takes a head on the expected revision and refuses any other, with the last one kept', async () => {
      const first = await publish(HEAD, '1', expecting(0))
      const second = await publish(HEAD, '2', expecting(first))
      expect(await refusal(publish(HEAD, '3', expecting(first)))).toBe(10071)
      expect(await refusal(publish(HEAD, '3', expecting(0)))).toBe(10071)
      expect(text(await broker.last(STATE, HEAD))).toBe('2')
      // The rollup leaves one.
      expect((await broker.next(STATE, HEAD, 1))?.seq).toBe(second)
    })
  })

  describe(`${name}: atomic batches`, () => {
    it('store all of their messages in order, the acknowledgement being of the last', async () => {
      const ack = await batch([
        [segment('a'), 'state'],
        [AGGREGATES, 'delta'],
        [HEAD, 'head', expecting(0)],
      ])
      expect(ack).toEqual({ seq: 3, duplicate: false })
      expect(text(await broker.last(STATE, HEAD))).toBe('head')
      expect(text(await broker.next(STATE, AGGREGATES, 1))).toBe('delta')
    })

    it('store nothing when the head has moved', async () => {
      const first = await publish(HEAD, '1', expecting(0))
      await publish(HEAD, '2', expecting(first))
      const refused = batch([
        [segment('a'), 'state'],
        [HEAD, '3', expecting(first)],
      ])
      expect([10071, 10164]).toContain(await refusal(refused))
      expect(await broker.range(STATE)).toMatchObject({ last: 2 })
      expect(await broker.subjects(STATE, '$KV.window_state_0.segment.>')).toEqual([])
    })

    it('store nothing when one of their messages did not arrive', async () => {
      const messages: [string, string][] = ['a', 'b', 'c'].map((id) => [segment(id), id])
      expect(await refusal(batch(messages, 1))).toBe(10176)
      expect(await broker.range(STATE)).toMatchObject({ last: 0 })
    })

    it('store nothing before their commit, and nothing of what was open when the server died', async () => {
      const open = { ...never, 'Nats-Batch-Id': 'open', 'Nats-Batch-Sequence': '1' }
      expect(await broker.publish(segment('a'), encoder.encode('a'), open, TIMEOUT_MS)).toBeNull()
      expect(await broker.range(STATE)).toMatchObject({ last: 0 })
      await restart()
      const commit = { ...open, 'Nats-Batch-Sequence': '2', 'Nats-Batch-Commit': '1' }
      expect(await refusal(broker.publish(HEAD, encoder.encode('h'), commit, TIMEOUT_MS))).toBe(10176)
      expect(await broker.range(STATE)).toMatchObject({ last: 0 })
    })

    it('may have a thousand messages, and no more', async () => {
      const messages = (count: number): [string, string][] =>
        Array.from({ length: count }, (_, i) => [segment(`${i}`), ''])
      expect(await batch(messages(1_000))).toMatchObject({ seq: 1_000 })
      expect(await refusal(batch(messages(1_001)))).toBe(10199)
      expect(await broker.range(STATE)).toMatchObject({ last: 1_000 })
    })

    it('may be fifty at once on a stream, and no more', async () => {
      const begin = (id: number) =>
        broker.publish(
          segment(`${id}`),
          new Uint8Array(),
          { 'Nats-Batch-Id': `${id}`, 'Nats-Batch-Sequence': '1' },
          TIMEOUT_MS,
        )
      for (let id = 0; id < 50; id++) expect(await begin(id)).toBeNull()
      expect(await refusal(begin(50))).toBe(10210)
    })
  })

  describe(`${name}: consumers`, () => {
    it('go on for as long as there are messages', async () => {
      const delivery = await follow(LOG, { start: 1 })
      const taken = take(delivery, 350)
      for (let i = 0; i < 350; i++) await log(String(i))
      expect((await taken).map(({ seq }) => seq)).toEqual(Array.from({ length: 350 }, (_, i) => i + 1))
    })

    it('deliver from a sequence on, in order, by filter, what is there and what comes', async () => {
      await publish(AGGREGATES, '1', never)
      await publish(segment('a'), '2', never)
      const delivery = await follow(STATE, { start: 1, filters: ['aggregates.*.*.0', 'settled.0'] })
      const taking = take(delivery, 3)
      await publish('settled.0', '3', never)
      await publish(AGGREGATES, '4', never)
      expect((await taking).map(text)).toEqual(['1', '3', '4'])
    })

    it('deliver headers alone when nothing else is wanted', async () => {
      await log('a', { 'Millrace-Kind': 'events' })
      const [message] = await take(await follow(LOG, { start: 1, headersOnly: true }), 1)
      expect([message.data.length, message.header('Millrace-Kind')]).toEqual([0, 'events'])
    })

    it('end when they are stopped', async () => {
      const delivery = await follow(LOG, { start: 1 })
      const taking = take(delivery, 1)
      delivery.stop()
      expect(await taking).toEqual([])
    })

    it('of one durable name are made anew where they are told; a former reader ends or gets a share', async () => {
      for (const data of ['a', 'b', 'c']) await log(data)
      const former = await follow(LOG, { start: 1, durable: 'processor' })
      const got = (await take(former, 3)).map(text)
      expect(got).toEqual(['a', 'b', 'c'])
      const still = await follow(LOG, { start: 4, durable: 'processor' })
      const again = await follow(LOG, { start: 2, durable: 'processor' })
      const shared: (string | undefined)[] = []
      const read = async (delivery: Delivery): Promise<void> => {
        for await (const message of delivery) {
          if (shared.push(text(message)) < 2) continue
          still.stop()
          again.stop()
        }
      }
      await Promise.all([read(still).catch(() => undefined), read(again)])
      expect(shared.sort()).toEqual(['b', 'c'])
    })

    it('go on or end after a restart of the server; one that is made anew where they were has the rest', async () => {
      const got: (string | undefined)[] = []
      const read = async (): Promise<void> => {
        for await (const message of await follow(LOG, { start: got.length + 1 }))
          if (got.push(text(message)) === 2) return
      }
      // It may end with an error, at any time from the restart on.
      const reading = read().catch(() => undefined)
      await log('a')
      await restart()
      await log('b')
      await reading
      while (got.length < 2) await read()
      expect(got).toEqual(['a', 'b'])
    })
  })

  describe(`${name}: buckets`, () => {
    it('create, update by revision, put, delete and create again', async () => {
      const bucket = await broker.bucket('leases')
      expect(await bucket.get('k')).toBeNull()
      const first = await bucket.create('k', 'a')
      expect(await refusal(bucket.create('k', 'b'))).toBe(10071)
      const second = await bucket.update('k', 'b', first)
      expect(await refusal(bucket.update('k', 'c', first))).toBe(10071)
      expect(await bucket.get('k')).toEqual({ key: 'k', text: 'b', revision: second, storedAt: expect.any(Number) })
      await bucket.put('k', 'c')
      await bucket.delete('k')
      expect((await bucket.get('k'))?.text).toBeNull()
      expect(await bucket.create('k', 'd')).toBeGreaterThan(second)
    })
  })

  describe(`${name}: core messages`, () => {
    it('reach who listens, by subject', async () => {
      const heard: string[] = []
      const { promise, resolve } = Promise.withResolvers<void>()
      const listener = broker.listen('millrace.report.*', (report) => {
        if (heard.push(report) === 2) resolve()
      })
      await broker.range(LOG)
      broker.notify('millrace.other', 'no')
      broker.notify('millrace.report.a', '1')
      broker.notify('millrace.report.b', '2')
      await promise
      listener.stop()
      expect(heard).toEqual(['1', '2'])
    })
  })
}
