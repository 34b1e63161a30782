import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { Registry } from 'prom-client'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { createCollector } from '#gateway/collect/collector.ts'
import { createCollectMetrics } from '#gateway/collect/metrics.ts'
import { createSchemaCheck } from '#gateway/collect/schema-check.ts'
import { createDuckDbOlap } from '#infra/duckdb/olap.ts'
import { connectNats, type Nats } from '#infra/nats/connect.ts'
import { createHeaderFeed } from '#infra/nats/header-feed.ts'
import { createLogWriter, createPartitionLog } from '#infra/nats/log.ts'
import { createOutputFeed } from '#infra/nats/outputs.ts'
import { ensureDeployment } from '#infra/nats/setup.ts'
import { createStateStore } from '#infra/nats/state.ts'
import { startTestNats, type TestNats } from '#infra/testing/nats.ts'
import type { CheckpointOutputs, OutputFeed } from '#processors/ports.ts'
import { runPartition } from '#processors/runtime/owner.ts'
import { startReceivedReader, withSettledUntil } from '#processors/storage/received.ts'
import { startStorage } from '#processors/storage/storage.ts'
import { partitionOf } from '#schema/hash.ts'
import { type Received, receivedMinute } from '#schema/ledger.ts'
import type { Ledger } from '#schema/olap.ts'

const PARTITIONS = 2
const HOUR = 3_600_000
const silent = { info() {}, warn() {}, error() {} }
const clock = { now: Date.now, monotonic: () => performance.now() }

let server: TestNats
let nats: Nats
let feed: OutputFeed
const processor = new AbortController()
let owners: Promise<void>[]

const runOwner = (partition: number): Promise<void> =>
  runPartition(
    {
      partition,
      owner: 'test',
      log: createPartitionLog(nats.broker, partition),
      state: createStateStore(nats.broker, partition),
      reports: { publish() {}, partitions: () => [] },
      seed: Uint32Array.of(1, 2, 3, 4),
      settings: { checkpointMs: 10, liveIdleMs: HOUR, importIdleMs: HOUR },
      clock,
      logger: silent,
      metrics: { checkpoint() {}, hole() {} },
    },
    processor.signal,
  )

const event = (id: string, more: object = {}) => ({ id, name: 'page_view', sessionId: 's', ...more })
/** What the events below come to, of tenant main. */
const BOOKS = { accepted: 17, counted: 10, late: 2, duplicate: 4, invalid: 1, shed: 0, rejected: 3, stored: 10 }

/** Through a real collector: ten events, four of them again, two that are late, three that are none, one unreadable. */
const sendAll = async (): Promise<void> => {
  const collector = createCollector({
    log: createLogWriter(nats.broker),
    geoip: { country: () => undefined },
    clock,
    metrics: createCollectMetrics(new Registry()),
    intake: { note() {} },
    checkSchema: createSchemaCheck([]),
    partitions: PARTITIONS,
    processId: 'test',
  })
  const send = (...events: unknown[]) => collector.collect({ tenant: 'main', events })
  const ids = Array.from({ length: 10 }, (_, i) => `e${i}`)
  await send(...ids.map((id) => event(id)))
  await send(...ids.slice(0, 4).map((id) => event(id)), { id: 'no name' })
  const hourAgo = new Date(Date.now() - HOUR).toISOString()
  await send(event('late', { time: hourAgo }), event('later', { time: hourAgo }), 'no event', 7)
  await collector.drain(10_000)
  await append('unreadable', '{"tenant":"main","e":', { accepted: 1 })
}

/** A frame whose header says what it is told to. */
const append = (messageId: string, text: string, counts: Partial<Received>): Promise<number> => {
  const received = { tenant: 'main', minute: receivedMinute(Date.now()), accepted: 0, rejected: 0, shed: 0, ...counts }
  const data = new TextEncoder().encode(text)
  const frame = {
    partition: partitionOf('main', 's', PARTITIONS),
    messageId,
    data,
    counts: new Map(),
    received: [received],
  }
  return createLogWriter(nats.broker).append(frame, 20_000)
}

beforeAll(async () => {
  server = await startTestNats()
  nats = await connectNats(server.url, 'test')
  await ensureDeployment(nats, { partitions: PARTITIONS })
  feed = createOutputFeed(nats.broker)
  owners = Array.from({ length: PARTITIONS }, (_, partition) => runOwner(partition))
  await sendAll()
})
afterAll(async () => {
  processor.abort()
  await Promise.all(owners)
  await nats.nc.close()
  await server[Symbol.asyncDispose]()
})

/** Storage as its process composes it, in this one. */
const startStore = async (folder: string, outputs: OutputFeed = feed) => {
  const olap = await createDuckDbOlap({ folder, partitions: PARTITIONS, logger: silent })
  const onFatal = (error: Error): void => {
    throw error
  }
  const storage = await startStorage({
    writer: olap,
    feed: outputs,
    clock,
    logger: silent,
    metrics: { written() {} },
    onFatal,
  })
  const received = await startReceivedReader({
    writer: olap,
    feed: createHeaderFeed(nats.broker),
    clock,
    logger: silent,
    onFatal,
  })
  const reader = withSettledUntil(olap, received)
  return {
    ledger: () => reader.ledger({ tenant: 'main', from: Date.now() - HOUR, to: Date.now() + HOUR, settledUntil: null }),
    sql: olap.sql,
    async stop() {
      await storage.stop()
      await received.stop()
      await olap.close()
    },
  }
}

/** Opens a fresh store over the same log, changes it, and asks it for its books. */
const withStore = async (
  change: (folder: string) => Promise<unknown>,
  expected: Partial<Ledger>,
  outputs?: OutputFeed,
): Promise<void> => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-ledger-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const filled = await startStore(folder, outputs)
  try {
    await eventually(async () => expect(await filled.ledger()).toMatchObject({ accepted: BOOKS.accepted }))
  } finally {
    await filled.stop()
  }
  await change(folder)
  const store = await startStore(folder, outputs)
  try {
    await eventually(async () => expect(await store.ledger()).toMatchObject(expected))
  } finally {
    await store.stop()
  }
}

const eventually = <T>(check: () => Promise<T>): Promise<T> => vi.waitFor(check, { timeout: 30_000, interval: 50 })

const statement = (sql: string) => async (folder: string) => {
  const instance = await DuckDBInstance.create(join(folder, 'millrace.duckdb'))
  const connection = await instance.connect()
  const { rowsChanged } = await connection.run(sql)
  connection.closeSync()
  instance.closeSync()
  expect(rowsChanged).toBe(1)
}

test('the books balance: what headers, settlements and rows say agrees, also after a restart', async () => {
  await withStore(async () => undefined, { ...BOOKS, balanced: true, settledUntil: expect.any(Number) })
})

test('everything is settled up to now, less the time a frame may take, although one partition is quiet', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-ledger-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const store = await startStore(folder)
  const startedAt = Date.now()
  await eventually(async () => {
    const { settledUntil } = await store.ledger()
    expect(settledUntil).toBeGreaterThanOrEqual(startedAt + 1_000 - 10_000)
    expect(settledUntil).toBeLessThanOrEqual(Date.now() - 10_000)
  })
  await store.stop()
})

test.each([
  ['a raw event is gone', `DELETE FROM raw_events WHERE id = 'e7'`, { stored: 9 }],
  ['a dead letter is gone', `DELETE FROM dead_letters WHERE id = 'late'`, { late: 2 }],
  ['an unreadable line’s dead letter is gone', `DELETE FROM dead_letters WHERE code = 'INVALID'`, { invalid: 1 }],
  ['a duplicate is gone', `DELETE FROM duplicates WHERE id = 'e2'`, { duplicate: 4 }],
  [
    'a raw event was received at another time',
    `UPDATE raw_events SET received_at = received_at - INTERVAL 5 MINUTE WHERE id = 'e7'`,
    { stored: 10 },
  ],
])('the books do not balance when %s', async (_, sql, expected) => {
  await withStore(statement(sql), { ...BOOKS, ...expected, balanced: false })
})

test.each<[string, (outputs: CheckpointOutputs) => void, Partial<Ledger>]>([
  ['one more', ({ settlement }) => settlement.minutes!.forEach((slot) => void slot.C++), {}],
  [
    'late instead of duplicate',
    ({ settlement }) => {
      for (const slot of settlement.minutes!) [slot.L, slot.D] = [slot.L + slot.D, 0]
    },
    { late: 6, duplicate: 0 },
  ],
])('the books do not balance when a settlement counts %s', async (_, change, expected) => {
  const outputs: OutputFeed = {
    ...feed,
    async *read(partition, after, signal) {
      for await (const one of feed.read(partition, after, signal)) {
        if ('settlement' in one) change(one)
        yield one
      }
    },
  }
  await withStore(async () => undefined, { accepted: BOOKS.accepted, ...expected, balanced: false }, outputs)
})

test('the books do not balance when the header of a frame is false', async () => {
  const change = () => append('false', '', { accepted: 1 })
  await withStore(change, { ...BOOKS, accepted: BOOKS.accepted + 1, balanced: false })
})
