import fc from 'fast-check'
import { expect, test } from 'vitest'
import { until } from '#infra/testing/until.ts'
import { openClient } from './fixtures/client.ts'
import { startFakeKafka } from './fixtures/fake-kafka.ts'

const lengthOf = (frame: Uint8Array): Buffer => {
  const length = Buffer.alloc(4)
  length.writeInt32BE(frame.length)
  return length
}
const framed = (frame: Uint8Array): Buffer => Buffer.concat([lengthOf(frame), frame])

/** A request as clients send it: Fetch 11 of one partition. */
const FETCH = Buffer.from(
  '0001000b00000001000474657374' + // header
    'ffffffff0000000a00000001000f424001' + // no replica, waits, bytes, isolation
    '00000000ffffffff' + // no session
    '00000001000b757365725f6576656e747300000001' + // user_events, one partition
    '00000000ffffffff0000000000000001ffffffffffffffff000f4240' +
    '000000000000',
  'hex',
)

const bytes = fc.uint8Array({ maxLength: 300 }).map((list) => Buffer.from(list))
const header = fc
  .tuple(
    fc.oneof(fc.constantFrom(0, 1, 2, 3, 10, 17, 18, 36), fc.integer({ min: -1, max: 90 })),
    fc.integer({ min: -2, max: 14 }),
  )
  .map(([api, version]) => {
    const buffer = Buffer.alloc(10)
    buffer.writeInt16BE(api, 0)
    buffer.writeInt16BE(version, 2)
    buffer.writeInt16BE(-1, 8)
    return buffer
  })
const huge = fc.constantFrom(0x7fffffff, 0x00ffffff, -1, -0x80000000, 0xffff).map((value) => {
  const buffer = Buffer.alloc(4)
  buffer.writeInt32BE(value)
  return buffer
})
/** What somebody may send who does not speak the protocol, or means harm. */
const nonsense: fc.Arbitrary<Buffer> = fc.oneof(
  bytes,
  bytes.map(framed),
  fc.tuple(huge, bytes).map((parts) => Buffer.concat(parts)),
  fc
    .tuple(header, fc.array(fc.oneof(huge, bytes), { maxLength: 4 }))
    .map(([head, rest]) => framed(Buffer.concat([head, ...rest]))),
  fc.nat(FETCH.length - 1).map((cut) => framed(FETCH.subarray(0, cut))),
  fc.nat(FETCH.length + 3).map((cut) => framed(FETCH).subarray(0, cut)),
  fc.tuple(fc.nat(FETCH.length - 5), huge).map(([at, value]) => {
    const changed = Buffer.from(FETCH)
    value.copy(changed, at)
    return framed(changed)
  }),
)

test('nonsense ends its own connection at most: nothing breaks, nothing stays, and others are served', async () => {
  await using kafka = await startFakeKafka({ values: ['a', 'b'], limits: { requestMs: 500, waitMs: 50 } })
  using good = await openClient(kafka.port)
  const position = [{ topic: 'user_events', partition: 0, offset: 1 }]
  await fc.assert(
    fc.asyncProperty(fc.array(nonsense, { minLength: 1, maxLength: 5 }), async (parts) => {
      using client = await openClient(kafka.port)
      client.socket.resume()
      client.socket.end(Buffer.concat(parts))
      await client.closed
      expect((await good.fetch(position))[0].batches).toHaveLength(2)
      expect(kafka.errors).toEqual([])
    }),
    { numRuns: 400 },
  )
  await until('they are gone', () => kafka.sessions() === 1)
  expect(kafka.taken()).toBe(0)
})

test('the request that the nonsense is made of is a good one', async () => {
  await using kafka = await startFakeKafka({ values: ['a'] })
  using client = await openClient(kafka.port)
  expect((await client.sendFrame(FETCH)).includes('a')).toBe(true)
})

test('requests may come in any pieces, and several at once', async () => {
  await using kafka = await startFakeKafka({ values: ['a'] })
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 90 }), { maxLength: 6 }), async (cuts) => {
      using client = await openClient(kafka.port)
      const wanted = await client.sendFrame(FETCH)
      let received = Buffer.alloc(0)
      client.socket.removeAllListeners('data').on('data', (chunk) => {
        received = Buffer.concat([received, chunk as Buffer])
      })
      const all = Buffer.concat([framed(FETCH), framed(FETCH), framed(FETCH)])
      for (const [i, cut] of [...cuts, all.length].entries()) {
        const from = cuts.slice(0, i).reduce((sum, one) => sum + one, 0)
        client.socket.write(all.subarray(from, Math.min(all.length, from + cut)))
        await new Promise((resolve) => setImmediate(resolve))
      }
      await until('all answers', () => received.length === 3 * (wanted.length + 4))
      expect(received.subarray(4, 4 + wanted.length)).toEqual(wanted)
    }),
    { numRuns: 30 },
  )
})

test('many requests of which each says that it will be large take no more memory than there is', async () => {
  await using kafka = await startFakeKafka({ limits: { bytesInFlight: 3_000_000 } })
  const clients = await Promise.all(Array.from({ length: 8 }, () => openClient(kafka.port)))
  const length = Buffer.alloc(4)
  length.writeInt32BE(1_000_000)
  for (const { socket } of clients) socket.write(length)
  await until('those for which there is no memory are left', () => kafka.sessions() === 3)
  expect(kafka.taken()).toBe(3_000_000)
  expect(kafka.refused).toEqual({ memory: 5 })
  for (const { socket } of clients) socket.destroy()
})
