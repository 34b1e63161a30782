import { afterEach, expect, it, vi } from 'vitest'
import {
  type CheckpointOutputs,
  type OlapBatch,
  type OlapPart,
  type OlapWriter,
  OutOfSequence,
  type OutputFeed,
  type SettlementsGone,
  textOf,
} from '#processors/ports.ts'
import { type Counts, encodeOutcomes, type Outcome } from '#schema/checkpoint.ts'
import type { LogMessage, Marker } from '#schema/frame.ts'
import { createMemoryTracer } from '#schema/testing/tracer.ts'
import { aggregateRow, definitionState, eventLine, lateEvent } from './fixtures.ts'
import { type Storage, type StorageSettings, startStorage } from './storage.ts'
import { createStoreSpans, type StoreSpans } from './store-span.ts'

const encoder = new TextEncoder()

interface Frame {
  ids: string[]
  outcomes?: Outcome[]
  control?: boolean
}

/** A log with the outputs of its checkpoints, one checkpoint for some frames; what a test adds is read at once. */
class FakeFeed implements OutputFeed {
  readonly outputs = new Map<number, CheckpointOutputs[]>()
  /** Settlements after a checkpoint of partition 0 that have expired. */
  readonly gone = new Map<number, SettlementsGone>()
  readonly logs = new Map<number, LogMessage[]>()
  reads = 0
  failures: Error[] = []
  private wake: (() => void)[] = []

  checkpoint(partition: number, frames: Frame[], extra: Partial<CheckpointOutputs> = {}, markers?: Marker[]): void {
    const log = this.logs.get(partition) ?? []
    this.logs.set(partition, log)
    const from = log.length + 1
    const outcomes: Record<string, string> = {}
    const counts: Counts = { C: 0, D: 0, L: 0, I: 0 }
    for (const { ids, outcomes: verdicts, control } of frames) {
      const sequence = log.length + 1
      const text = control ? '{"kind":"tick","clocks":[]}' : ids.map((id) => JSON.stringify(eventLine(id))).join('\n')
      log.push({ sequence, storedAt: 0, kind: control ? 'control' : 'events', data: encoder.encode(text) })
      if (verdicts) outcomes[sequence] = encodeOutcomes(verdicts)
      for (const verdict of verdicts ?? (control ? [] : ids.map((): Outcome => 'C'))) counts[verdict]++
    }
    const all = this.outputs.get(partition) ?? []
    this.outputs.set(partition, all)
    const settlement = {
      format: 1,
      partition,
      checkpoint: all.length + 1,
      epoch: 1,
      from,
      to: log.length,
      aggregates: 0,
      late: 0,
      totals: { main: counts },
      outcomes,
      clocks: [],
      definitions: [],
      markers,
      at: 0,
    }
    all.push({ settlement, aggregates: [], sessions: [], late: [], ...extra })
    for (const resolve of this.wake.splice(0)) resolve()
  }

  async *read(partition: number, after: number, signal: AbortSignal) {
    this.reads++
    for (let next = after; ; next++) {
      const gone = partition === 0 && this.gone.get(next)
      if (gone) {
        yield gone
        next = gone.checkpoint
      }
      const failure = this.failures.shift()
      if (failure) throw failure
      while (!this.outputs.get(partition)?.[next]) {
        if (signal.aborted) return
        await new Promise<void>((resolve) => {
          this.wake.push(resolve)
          signal.addEventListener('abort', () => resolve())
        })
      }
      yield (this.outputs.get(partition) as CheckpointOutputs[])[next]
    }
  }

  async *frames(partition: number, from: number, to: number) {
    yield* (this.logs.get(partition) ?? []).filter(({ sequence }) => sequence >= from && sequence <= to)
  }

  newest = async (partition: number) => this.outputs.get(partition)?.length ?? 0
  newestState = async () => ({ clocks: [], definitions: [definitionState('views', 'COUNT')], tenants: [] })
  liveSessions = async () => []
}

/** A store in memory that keeps rows and positions together; it can be told to fail or to wait. */
class FakeWriter {
  stored = [0, 0]
  readonly ids: string[] = []
  readonly batches: OlapBatch[] = []
  before: (() => Promise<void>)[] = []
  after: (() => Promise<void>)[] = []

  async write(batch: OlapBatch): Promise<void> {
    await this.before.shift()?.()
    for (const { partition, after, checkpoint, raw } of batch.parts) {
      if (checkpoint <= this.stored[partition]) continue
      if (after !== this.stored[partition]) throw new OutOfSequence(partition, this.stored[partition], after)
      this.stored[partition] = checkpoint
      for (const line of raw.flatMap((events) => textOf(events).lines)) this.ids.push(JSON.parse(line).e.id)
    }
    this.batches.push(batch)
    await this.after.shift()?.()
  }
  partitions = async () =>
    this.stored.map((checkpoint) => ({ checkpoint, sequence: checkpoint, clocks: [], definitions: [], tenants: [] }))
  holes = async () =>
    this.batches.flatMap(({ parts }) =>
      parts.flatMap(({ holes }) => holes.map((hole) => ({ ...hole, foundAt: 0, acknowledgedAt: null }))),
    )
  openSessions = async () => []
  maintain = async () => undefined
}

const parts = (writer: FakeWriter): OlapPart[] => writer.batches.flatMap((batch) => batch.parts)

let running: Storage | undefined
afterEach(async () => {
  await running?.stop()
  running = undefined
})

const start = async (
  feed: FakeFeed,
  writer: FakeWriter,
  settings: Partial<StorageSettings> = {},
  spans?: StoreSpans,
) => {
  const logger = { info: vi.fn(), warn: vi.fn(), error: vi.fn() }
  const onFatal = vi.fn()
  running = await startStorage({
    writer: writer as unknown as OlapWriter,
    feed,
    clock: { now: Date.now, monotonic: () => performance.now() },
    logger,
    metrics: { written: vi.fn() },
    onFatal,
    settings: { flushMs: 0, retryMs: 1, ...settings },
    spans,
  })
  return { storage: running, logger, onFatal }
}

it('writes the counted events of every frame with their places, and no other', async () => {
  const [feed, writer] = [new FakeFeed(), new FakeWriter()]
  feed.checkpoint(0, [
    { ids: ['a', 'b'] },
    { ids: [], control: true },
    { ids: ['c', 'd', 'e', 'f'], outcomes: ['D', 'C', 'L', 'C'] },
    { ids: ['g'], outcomes: ['I'] },
  ])
  await start(feed, writer)
  await vi.waitFor(() => expect(writer.stored[0]).toBe(1))
  expect(writer.ids).toEqual(['a', 'b', 'd', 'f'])
  const [part] = parts(writer)
  expect(part.raw.map(({ sequence, indexes }) => [sequence, indexes])).toEqual([
    [1, [0, 1]],
    [3, [1, 3]],
  ])
  expect(part).toMatchObject({ after: 0, checkpoint: 1, sequence: 4, duplicates: { main: 1 } })
})

it('passes on aggregates and late events, of a checkpoint that read no frame as well', async () => {
  const [feed, writer] = [new FakeFeed(), new FakeWriter()]
  const [row, late] = [aggregateRow(), lateEvent(eventLine('l'))]
  feed.checkpoint(1, [], { aggregates: [row], late: [late] })
  await start(feed, writer)
  await vi.waitFor(() => expect(writer.stored).toEqual([0, 1]))
  expect(parts(writer)[0]).toMatchObject({ partition: 1, raw: [], aggregates: [row], late: [late] })
})

it('passes on the markers of every checkpoint, of those that it joins as well', async () => {
  const [feed, writer] = [new FakeFeed(), new FakeWriter()]
  const gate = Promise.withResolvers<void>()
  writer.before = [() => gate.promise]
  const markers = [1, 2, 3, 4].map((number) => ({ gateway: 'g', number, sentAt: 5 }))
  const control = { ids: [], control: true }
  feed.checkpoint(0, [control], {}, markers.slice(0, 1))
  const { storage } = await start(feed, writer)
  await vi.waitFor(() => expect(writer.before).toHaveLength(0))
  feed.checkpoint(0, [control, control], {}, markers.slice(1, 3))
  feed.checkpoint(0, [control])
  feed.checkpoint(0, [control], {}, markers.slice(3))
  // Of all four frames that wait.
  await vi.waitFor(() => expect(storage.pendingBytes()).toBeGreaterThan(100))
  gate.resolve()
  await vi.waitFor(() => expect(writer.stored[0]).toBe(4))
  expect(parts(writer).map((part) => part.markers.length)).toEqual([1, 3])
  expect(parts(writer).flatMap((part) => part.markers)).toEqual(markers)
})

it('joins what came during a write, of all partitions, into the next one', async () => {
  const [feed, writer] = [new FakeFeed(), new FakeWriter()]
  const gate = Promise.withResolvers<void>()
  writer.before = [() => gate.promise]
  feed.checkpoint(0, [{ ids: ['a'] }])
  const { storage } = await start(feed, writer)
  await vi.waitFor(() => expect(writer.before).toHaveLength(0))
  feed.checkpoint(0, [{ ids: ['b', 'x'], outcomes: ['C', 'D'] }])
  feed.checkpoint(0, [{ ids: ['c', 'y'], outcomes: ['C', 'D'] }])
  feed.checkpoint(1, [{ ids: ['d'] }])
  await vi.waitFor(() => expect(storage.pendingBytes()).toBeGreaterThan(3 * 100))
  gate.resolve()
  await vi.waitFor(() => expect(writer.stored).toEqual([3, 1]))
  expect(writer.batches.length).toBeLessThanOrEqual(3)
  expect(writer.ids.sort()).toEqual(['a', 'b', 'c', 'd'])
  const joined = parts(writer).findLast(({ partition }) => partition === 0)
  expect(joined).toMatchObject({ checkpoint: 3, sequence: 3 })
  expect(storage.positions()).toEqual([3, 1])
})

it('stops reading while more waits than the bound allows', async () => {
  const [feed, writer] = [new FakeFeed(), new FakeWriter()]
  const gate = Promise.withResolvers<void>()
  writer.before = [() => gate.promise]
  for (let i = 0; i < 50; i++) feed.checkpoint(0, [{ ids: [`e${i}`, 'x'.repeat(100)] }])
  const { storage } = await start(feed, writer, { maxPendingBytes: 2_000 })
  await vi.waitFor(() => expect(storage.pendingBytes()).toBeGreaterThan(2_000))
  for (let i = 0; i < 20; i++) await Promise.resolve()
  expect(storage.pendingBytes()).toBeLessThan(3_000)
  gate.resolve()
  await vi.waitFor(() => expect(writer.stored[0]).toBe(50))
  expect(writer.ids).toHaveLength(100)
})

it('writes again what failed, and is not ready meanwhile', async () => {
  const [feed, writer] = [new FakeFeed(), new FakeWriter()]
  const gate = Promise.withResolvers<void>()
  writer.before = [() => Promise.reject(new Error('disk full')), () => gate.promise]
  feed.checkpoint(0, [{ ids: ['a'] }])
  const { storage } = await start(feed, writer)
  await vi.waitFor(() => expect(writer.before).toHaveLength(0))
  expect(storage.problems()).toEqual([expect.stringContaining('disk full')])
  gate.resolve()
  await vi.waitFor(() => expect(storage.problems()).toEqual([]))
  expect(writer.ids).toEqual(['a'])
})

it('counts nothing twice when the write was done but its answer got lost', async () => {
  const [feed, writer] = [new FakeFeed(), new FakeWriter()]
  writer.after = [() => Promise.reject(new Error('no answer'))]
  feed.checkpoint(0, [{ ids: ['a'] }])
  const { storage } = await start(feed, writer)
  await vi.waitFor(() => expect(storage.positions()).toEqual([1, 0]))
  expect(writer.ids).toEqual(['a'])
})

it('goes on from the stored positions after a crash between a write and the next read', async () => {
  const [feed, writer] = [new FakeFeed(), new FakeWriter()]
  for (let i = 1; i <= 3; i++) feed.checkpoint(0, [{ ids: [`e${i}`] }])
  writer.stored = [2, 0]
  await start(feed, writer)
  await vi.waitFor(() => expect(writer.stored[0]).toBe(3))
  expect(writer.ids).toEqual(['e3'])
})

it('reads again from where it was after the connection failed, also in the middle', async () => {
  const [feed, writer] = [new FakeFeed(), new FakeWriter()]
  feed.failures = [new Error('no connection')]
  feed.checkpoint(0, [{ ids: ['a'] }])
  const { logger } = await start(feed, writer)
  await vi.waitFor(() => expect(writer.stored[0]).toBe(1))
  feed.failures = [new Error('no connection')]
  feed.checkpoint(0, [{ ids: ['b'] }])
  feed.checkpoint(0, [{ ids: ['c'] }])
  await vi.waitFor(() => expect(writer.stored[0]).toBe(3))
  expect(writer.ids).toEqual(['a', 'b', 'c'])
  expect(logger.warn).toHaveBeenCalled()
})

it('makes deltas that have expired anew from the log, and is not ready until that is written', async () => {
  const [feed, writer] = [new FakeFeed(), new FakeWriter()]
  const gate = Promise.withResolvers<void>()
  writer.before = [() => gate.promise]
  const row = aggregateRow()
  feed.checkpoint(0, [{ ids: ['a', 'b', 'c'], outcomes: ['C', 'D', 'L'] }], {
    aggregates: null,
    sessions: null,
    late: null,
  })
  feed.checkpoint(0, [{ ids: ['d'] }], { aggregates: [row] })
  const { storage } = await start(feed, writer)
  await vi.waitFor(() => expect(storage.problems()).toEqual([expect.stringContaining('anew from the log')]))
  gate.resolve()
  await vi.waitFor(() => expect(writer.stored[0]).toBe(2))
  await vi.waitFor(() => expect(storage.problems()).toEqual([]))
  expect(writer.ids).toEqual(['a', 'd'])
  const [late] = parts(writer).flatMap((part) => part.late)
  expect(late).toMatchObject({ sequence: 1, index: 2, code: 'LATE' })
})

it('goes on behind settlements that have expired, and says exactly what it lacks', async () => {
  const [feed, writer] = [new FakeFeed(), new FakeWriter()]
  for (const id of ['a', 'b', 'c', 'd']) feed.checkpoint(0, [{ ids: [id] }])
  feed.gone.set(1, { checkpoint: 3, sequence: 3 })
  const { storage, logger } = await start(feed, writer)
  await vi.waitFor(() => expect(writer.stored[0]).toBe(4))
  expect(writer.ids).toEqual(['a', 'd'])
  const hole = { partition: 0, firstCheckpoint: 2, lastCheckpoint: 3, firstSequence: 2, lastSequence: 3 }
  await vi.waitFor(() =>
    expect(storage.holes()).toMatchObject([{ ...hole, events: null, lostBy: 'STORE', aggregates: false }]),
  )
  expect(storage.problems()).toEqual([expect.stringContaining('messages 2 to 3 of the log (checkpoints 2 to 3')])
  expect(logger.error).toHaveBeenCalled()
  expect(parts(writer).flatMap(({ definitions }) => definitions)).toHaveLength(1)
})

it.each([
  ['at the start', 0, 1, ['b', 'd'], 1],
  ['at the end', 1, 1, ['a', 'd'], 1],
  ['everywhere', 0, 2, ['d'], 2],
])('stores what it can of a checkpoint whose frames are gone %s', async (_, at, count, left, events) => {
  const [feed, writer] = [new FakeFeed(), new FakeWriter()]
  const row = aggregateRow()
  const frames: Frame[] = [{ ids: ['a'] }, { ids: ['b', 'c'], outcomes: ['C', 'D'] }]
  feed.checkpoint(0, frames, { aggregates: [row] })
  feed.checkpoint(0, [{ ids: ['d'] }])
  const log = feed.logs.get(0) as LogMessage[]
  feed.logs.set(
    0,
    log.filter((_message, i) => i < at || i >= at + count),
  )
  const { storage } = await start(feed, writer)
  await vi.waitFor(() => expect(writer.stored[0]).toBe(2))
  expect(writer.ids).toEqual(left)
  expect(parts(writer).flatMap(({ aggregates }) => aggregates)).toEqual([row])
  const hole = { firstCheckpoint: 1, lastCheckpoint: 1, firstSequence: at + 1, lastSequence: at + count }
  await vi.waitFor(() =>
    expect(storage.holes()).toMatchObject([{ ...hole, events, lostBy: 'STORE', aggregates: true }]),
  )
})

it('halts a partition when a frame is another than was settled', async () => {
  const [feed, writer] = [new FakeFeed(), new FakeWriter()]
  feed.checkpoint(0, [{ ids: ['a'] }, { ids: ['b', 'c'], outcomes: ['C', 'D'] }])
  ;(feed.logs.get(0) as LogMessage[])[1].data = encoder.encode('{}')
  const { storage } = await start(feed, writer)
  await vi.waitFor(() => expect(storage.problems()).toEqual([expect.stringContaining('frame 2 has 1 events')]))
  expect(writer.ids).toEqual([])
})

it('stops for good, and says so, when somebody else has written', async () => {
  const [feed, writer] = [new FakeFeed(), new FakeWriter()]
  const { storage, onFatal } = await start(feed, writer)
  feed.checkpoint(0, [{ ids: ['a'] }])
  writer.before = [() => Promise.reject(new OutOfSequence(0, 5, 0))]
  await vi.waitFor(() => expect(onFatal).toHaveBeenCalledWith(expect.any(OutOfSequence)))
  expect(storage.problems()).toEqual([expect.stringContaining('checkpoint 5')])
})

it('writes what was read before it stops', async () => {
  const [feed, writer] = [new FakeFeed(), new FakeWriter()]
  const gate = Promise.withResolvers<void>()
  writer.before = [() => gate.promise]
  feed.checkpoint(0, [{ ids: ['a'] }])
  const { storage } = await start(feed, writer)
  await vi.waitFor(() => expect(writer.before).toHaveLength(0))
  feed.checkpoint(1, [{ ids: ['b'] }])
  await vi.waitFor(() => expect(storage.pendingBytes()).toBeGreaterThan(0))
  const stopped = storage.stop()
  gate.resolve()
  await stopped
  expect(writer.ids).toEqual(['a', 'b'])
})

it('has a span for each write, which ends when the rows are stored and links the checkpoints of all partitions', async () => {
  const [feed, writer] = [new FakeFeed(), new FakeWriter()]
  const { tracer, spans } = createMemoryTracer()
  const trace = (digit: string, flags = '01') => ({
    traceparent: `00-${digit.repeat(32)}-${digit.repeat(16)}-${flags}`,
  })
  const gate = Promise.withResolvers<void>()
  writer.before = [() => gate.promise, () => Promise.reject(new Error('disk full'))]
  feed.checkpoint(0, [{ ids: ['untraced'] }], trace('a', '00'))
  const { storage } = await start(feed, writer, {}, createStoreSpans(tracer, 'duckdb'))
  await vi.waitFor(() => expect(writer.before).toHaveLength(1))
  feed.checkpoint(0, [{ ids: ['b'] }], trace('b'))
  feed.checkpoint(1, [{ ids: ['c', 'd'] }], trace('c'))
  await vi.waitFor(() => expect(storage.pendingBytes()).toBeGreaterThan(0))
  gate.resolve()
  await vi.waitFor(() => expect(writer.stored).toEqual([2, 1]))
  await vi.waitFor(() => expect(spans()).not.toEqual([]))
  const traces = spans().map(({ parentSpanContext, links }) => [
    parentSpanContext,
    ...links.map(({ context }) => context),
  ])
  expect(
    traces
      .flat()
      .map((place) => place?.traceId[0])
      .sort(),
  ).toEqual(['b', 'c'])
  expect(spans()[0].attributes).toMatchObject({ 'db.system.name': 'duckdb', 'db.operation.name': 'store' })
  expect(spans()[0].status.code).toBe(0)
  const before = spans().length
  feed.checkpoint(0, [{ ids: ['d'] }], trace('d'))
  await vi.waitFor(() => expect(spans()).toHaveLength(before + 1))
  expect(spans()[before].parentSpanContext?.traceId[0]).toBe('d')
})
