import { afterAll, beforeAll, expect, test } from 'vitest'
import type { OutgoingFrame } from '#gateway/ports.ts'
import type { LogMessage } from '#schema/frame.ts'
import type { Received } from '#schema/ledger.ts'
import { HEADERS, logSubject } from '#schema/subjects.ts'
import { startTestNats, type TestNats } from '../testing/nats.ts'
import { connectNats, type Nats } from './connect.ts'
import { createLogWriter, createPartitionLog } from './log.ts'
import { createOutputFeed } from './outputs.ts'
import { ensureDeployment } from './setup.ts'

let server: TestNats
let nats: Nats
beforeAll(async () => {
  server = await startTestNats()
  nats = await connectNats(server.url, 'test')
  await ensureDeployment(nats, { partitions: 1 })
})
afterAll(async () => {
  await nats.nc.close()
  await server[Symbol.asyncDispose]()
})

const slot = (counts: Partial<Received>): Received => ({
  tenant: 'main',
  minute: 29_000_000,
  accepted: 0,
  rejected: 0,
  shed: 0,
  ...counts,
})
const append = (messageId: string, text: string, received?: Received[]): Promise<number> => {
  const frame: OutgoingFrame = {
    partition: 0,
    messageId,
    data: new TextEncoder().encode(text),
    counts: new Map(text === '' ? [] : [['main', text.split('\n').length]]),
    ...(received && { received }),
  }
  return createLogWriter(nats.broker).append(frame, 20_000)
}

const take = async (messages: AsyncIterable<LogMessage>, count: number): Promise<LogMessage[]> => {
  const taken: LogMessage[] = []
  for await (const message of messages) if (taken.push(message) === count) break
  return taken
}

test('counts travel in the headers, in a frame without lines too, whoever reads it', async () => {
  const both = [slot({ accepted: 2 }), slot({ rejected: 3, shed: 1 })]
  const only = [slot({ rejected: 4 })]
  await append('a', '{}\n{}', both)
  await append('b', '', only)
  await append('c', '{}')
  const told = (messages: LogMessage[]) => messages.map(({ data, received }) => [data.length, received])
  const expected = [
    [5, both],
    [0, only],
    // Of a version that knew no minutes: its events count in the minute in which the broker stored them.
    [2, [expect.objectContaining({ tenant: 'main', accepted: 1 })]],
  ]
  const stop = new AbortController()
  expect(told(await take(createPartitionLog(nats.broker, 0).read(1, stop.signal), 3))).toEqual(expected)
  stop.abort()
  expect(told(await take(createOutputFeed(nats.broker).frames(0, 1, 3), 3))).toEqual(expected)
})

test('counts that are sent again without their frame’s events are in the log once', async () => {
  const first = await append('doubtful', '{}', [slot({ accepted: 1 }), slot({ rejected: 7 })])
  expect(await append('doubtful', '', [slot({ rejected: 7 })])).toBe(first)
})

test('a header that nobody can read counts nothing and stops nobody', async () => {
  const headers = { [HEADERS.received]: 'nonsense', [HEADERS.refused]: '=,@/' }
  const ack = await nats.broker.publish(logSubject(0), new Uint8Array(), headers, 5_000)
  const [message] = await take(createOutputFeed(nats.broker).frames(0, ack!.seq, ack!.seq), 1)
  expect(message).toMatchObject({ kind: 'events', received: [] })
})
