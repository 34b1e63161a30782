import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { PartitionLog, StateStore } from '#processors/ports.ts'
import { runPartition } from '#processors/runtime/owner.ts'
import type { MetricDefinition } from '#schema/metric.ts'
import { logStream } from '#schema/subjects.ts'
import { startTestNats, type TestNats } from '../testing/nats.ts'
import { until } from '../testing/until.ts'
import { connectNats, type Nats } from './connect.ts'
import { createLogWriter, createPartitionLog } from './log.ts'
import { createCheckpointFeed } from './outputs.ts'
import { ensureDeployment } from './setup.ts'
import { createStateStore } from './state.ts'

const encoder = new TextEncoder()
const silent = { info() {}, warn() {}, error() {} }
const VIEWS: MetricDefinition = {
  name: 'views',
  event: '*',
  where: [],
  measure: { kind: 'COUNT' },
  dimensions: [],
  windows: [{ kind: 'TUMBLING', sizeMs: 86_400_000 }],
  version: 1,
}
/** As infra/nats/nats-broker.ts asks for, and one message that passes the bound. */
const MOST_UNREAD_BYTES = 8_000_000 + 1_000_000
/** What one checkpoint holds at most (processors/runtime/owner.ts), with the frame that passes the bound. */
const MOST_PENDING_EVENTS = 20_000 + 1_000
const MOST_PENDING_BYTES = 16_000_000 + 512_000

let server: TestNats
let nats: Nats

beforeEach(async () => {
  server = await startTestNats()
  nats = await connectNats(server.url, 'test')
  await ensureDeployment(nats, { partitions: 1 })
})
afterEach(async () => {
  await nats.nc.close()
  await server[Symbol.asyncDispose]()
})

const append = (messageId: string, data: Uint8Array, events: number) =>
  createLogWriter(nats.broker).append({ partition: 0, messageId, data, counts: new Map([['main', events]]) }, 20_000)

test.each([{ durable: 'processor' }, { durable: undefined }])(
  'what has come and was not read is bounded however long the reader is busy ($durable)',
  async ({ durable }) => {
    const messages = 60
    const data = new Uint8Array(500_000)
    for (let i = 0; i < messages; i++) await append(`m${i}`, data, 0)
    await using reader = {
      nats: await connectNats(server.url, 'reader'),
      [Symbol.asyncDispose]: () => reader.nats.nc.close(),
    }
    const delivery = await reader.nats.broker.consume(logStream(0), { start: 1, ...(durable ? { durable } : {}) })
    let read = 0
    for await (const message of delivery) {
      read += message.data.length
      // Longer than a silence that is taken for a loss: what is asked for anew comes on top of what is there.
      if (message.seq === 1 || message.seq === 20) await delay(5_000)
      expect(reader.nats.nc.stats().inBytes - read).toBeLessThan(MOST_UNREAD_BYTES)
      if (message.seq === messages) break
    }
    delivery.stop()
    expect(read).toBe(messages * data.length)
  },
)

test.each([
  { kind: 'many small events', frames: 120, events: 1_000, padding: 0 },
  { kind: 'few large ones', frames: 120, events: 16, padding: 30_000 },
])('while commits are slow reading of $kind stops at the bound, then all count exactly once', async (load) => {
  await createLogWriter(nats.broker).appendControl(0, { kind: 'defineMetric', tenant: 'main', metric: VIEWS }, 'define')
  const now = Date.now()
  for (let frame = 0; frame < load.frames; frame++) {
    const lines = Array.from({ length: load.events }, (_, i) => {
      const fields = { tenant: 'main', source: 'live', receivedAt: now, time: now, key: 'k', weight: 1, schema: 0 }
      return JSON.stringify({
        ...fields,
        e: { id: `${frame}-${i}`, name: 'view', properties: { padding: 'x'.repeat(load.padding) } },
      })
    })
    await append(`f${frame}`, encoder.encode(lines.join('\n')), load.events)
  }
  const total = load.frames * load.events
  const read = { events: 0, bytes: 0, sequence: 0 }
  const committed = { events: 0, sequence: 0 }
  const bytesAt = new Map<number, number>([[0, 0]])
  const pendings: { events: number; bytes: number }[] = []
  const state = createStateStore(nats.broker, 0)
  const log = createPartitionLog(nats.broker, 0)
  const counting: PartitionLog = {
    ...log,
    async *read(sequence, signal) {
      for await (const message of log.read(sequence, signal)) {
        if (message.kind === 'events') read.events += load.events
        read.bytes += message.data.length
        read.sequence = message.sequence
        bytesAt.set(read.sequence, read.bytes)
        yield message
      }
    },
  }
  const slow: StateStore = {
    ...state,
    async commit(batch, revision) {
      // As slow as it takes for reading to come to a stand.
      let before = -1
      let looks = 0
      await until('reading stands still', () => {
        looks = read.events === before && read.events > 0 ? looks + 1 : 0
        before = read.events
        return looks >= 4
      })
      pendings.push({
        events: read.events - committed.events,
        bytes: read.bytes - (bytesAt.get(committed.sequence) ?? 0),
      })
      const answer = await state.commit(batch, revision)
      committed.events += batch.settlement.totals.main?.C ?? 0
      committed.sequence = batch.head.sequence
      return answer
    },
  }
  const stopping = new AbortController()
  const owner = runPartition(
    {
      partition: 0,
      owner: 'test',
      log: counting,
      state: slow,
      reports: { publish() {}, partitions: () => [] },
      seed: Uint32Array.of(1, 2, 3, 4),
      settings: { checkpointMs: 10, liveIdleMs: 3_600_000, importIdleMs: 3_600_000 },
      clock: { now: Date.now, monotonic: () => performance.now() },
      logger: silent,
      metrics: { checkpoint() {}, hole() {} },
    },
    stopping.signal,
  )
  await until('everything is committed', () => committed.events >= total)
  stopping.abort()
  await owner
  // What is sealed and being committed, and what has been read since.
  expect(Math.max(...pendings.map(({ events }) => events))).toBeLessThanOrEqual(2 * MOST_PENDING_EVENTS)
  expect(Math.max(...pendings.map(({ bytes }) => bytes))).toBeLessThanOrEqual(2 * MOST_PENDING_BYTES)
  expect(pendings.length).toBeGreaterThan(2)
  const loaded = await createCheckpointFeed(nats.broker).load(0)
  expect(loaded?.rows.reduce((sum, { events }) => sum + events, 0)).toBe(total)
  expect(loaded?.head.sequence).toBe(read.sequence)
})
