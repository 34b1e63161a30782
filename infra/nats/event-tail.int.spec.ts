import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TailCopy } from '#gateway/ports.ts'
import { runPartition } from '#processors/runtime/owner.ts'
import { eventLine } from '#processors/storage/fixtures.ts'
import { startTestNats, type TestNats } from '../testing/nats.ts'
import { connectNats, type Nats } from './connect.ts'
import { createEventTail } from './event-tail.ts'
import { createLogWriter, createPartitionLog } from './log.ts'
import { createOutputFeed } from './outputs.ts'
import { settlementOf } from './settlements.ts'
import { ensureDeployment } from './setup.ts'
import { createStateStore } from './state.ts'

const PARTITIONS = 2
const HOUR = 3_600_000

let server: TestNats
let nats: Nats
beforeAll(async () => {
  server = await startTestNats()
  nats = await connectNats(server.url, 'test')
  await ensureDeployment(nats, { partitions: PARTITIONS })
})
afterAll(async () => {
  await nats.nc.close()
  await server[Symbol.asyncDispose]()
})

let frames = 0
const send = (partition: number, ...lines: object[]): Promise<number> => {
  const data = new TextEncoder().encode(lines.map((line) => JSON.stringify(line)).join('\n'))
  const counts = new Map([['main', lines.length]])
  return createLogWriter(nats.broker).append({ partition, messageId: `f${frames++}`, data, counts }, 20_000)
}
const event = (id: string, fields: Parameters<typeof eventLine>[1] = {}) =>
  eventLine(id, { time: Date.now(), receivedAt: Date.now(), key: 'k', ...fields })

const find = async (id: string, after = [0, 0]) =>
  (await createEventTail(nats.broker).find('main', id, after)).map(
    ({ partition, sequence, outcome, line }: TailCopy) => [partition, sequence, outcome, line.e.id],
  )

/** Runs the owner of partition 1 until all that is in its log is settled. */
const settle = async (last: number): Promise<void> => {
  const stop = new AbortController()
  const owner = runPartition(
    {
      partition: 1,
      owner: 'test',
      log: createPartitionLog(nats.broker, 1),
      state: createStateStore(nats.broker, 1),
      reports: { publish() {}, partitions: () => [] },
      seed: Uint32Array.of(1, 2, 3, 4),
      settings: { checkpointMs: 10, liveIdleMs: HOUR, importIdleMs: HOUR },
      clock: { now: Date.now, monotonic: () => performance.now() },
      logger: { info() {}, warn() {}, error() {} },
      metrics: { checkpoint() {}, hole() {} },
    },
    stop.signal,
  )
  for await (const outputs of createOutputFeed(nats.broker).read(1, 0, stop.signal)) {
    if ('settlement' in outputs && outputs.settlement.to >= last) break
  }
  stop.abort()
  await owner
}

test('an event is found from its acknowledgement on, and what became of it once that is settled', async () => {
  const odd = 'quote " and \\ and ключ'
  const first = await send(1, event('a'), event(odd), event('a', { tenant: 'other' }))
  await send(0, event('b', { e: { properties: { id: 'a' } } }))
  expect(await find('a')).toEqual([[1, first, null, 'a']])
  expect(await find(odd)).toEqual([[1, first, null, odd]])
  expect(await find('a', [0, first])).toEqual([])
  expect(await find('none')).toEqual([])

  const second = await send(1, event('a'), event('late', { time: Date.now() - HOUR }))
  await settle(second)
  expect(await find('a')).toEqual([
    [1, first, 'C', 'a'],
    [1, second, 'D', 'a'],
  ])
  expect(await find('late')).toEqual([[1, second, 'L', 'late']])
  const third = await send(1, event('a'))
  expect(await find('a', [0, second])).toEqual([[1, third, null, 'a']])
})

test('every message of the log finds its own settlement', async () => {
  const last = await send(1, event('z'))
  await settle(last)
  for (let sequence = 1; sequence <= last; sequence++) {
    const settlement = await settlementOf(nats.broker, 1, sequence)
    expect(settlement!.from).toBeLessThanOrEqual(sequence)
    expect(settlement!.to).toBeGreaterThanOrEqual(sequence)
  }
  expect(await settlementOf(nats.broker, 1, last + 1)).toBeNull()
  expect(await settlementOf(nats.broker, 0, 1)).toBeNull()
})
