import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { CheckpointDelta } from '#gateway/ports.ts'
import { Fenced } from '#processors/ports.ts'
import { buildBatch } from '#processors/runtime/batch.ts'
import { type OwnerDeps, runPartition } from '#processors/runtime/owner.ts'
import { readSettled } from '#processors/storage/frames.ts'
import { PartitionFold } from '#processors/windows/fold.ts'
import type { Head } from '#schema/checkpoint.ts'
import type { MetricDefinition } from '#schema/metric.ts'
import { logStream, stateStream } from '#schema/subjects.ts'
import { startTestNats, type TestNats } from '../testing/nats.ts'
import { Unsendable } from './broker.ts'
import { connectNats, type Nats } from './connect.ts'
import { createLogWriter, createPartitionLog } from './log.ts'
import { createCheckpointFeed, createOutputFeed } from './outputs.ts'
import { ensureDeployment } from './setup.ts'
import { createStateStore } from './state.ts'

const VIEWS: MetricDefinition = {
  name: 'views',
  event: '*',
  where: [],
  measure: { kind: 'COUNT' },
  dimensions: [],
  windows: [{ kind: 'TUMBLING', sizeMs: 3_600_000 }],
  version: 1,
}
const silent = { info() {}, warn() {}, error() {} }
const encoder = new TextEncoder()

let server: TestNats
let nats: Nats

beforeEach(async () => {
  server = await startTestNats()
  nats = await connectNats(server.url, 'test')
  await ensureDeployment(nats, { partitions: 1 })
  await createLogWriter(nats.broker).appendControl(0, { kind: 'defineMetric', tenant: 'main', metric: VIEWS }, 'define')
})
afterEach(async () => {
  await nats.nc.close()
  await server[Symbol.asyncDispose]()
})

const deps = (owner: string, over: Partial<OwnerDeps> = {}): OwnerDeps => ({
  partition: 0,
  owner,
  log: createPartitionLog(nats.broker, 0),
  state: createStateStore(nats.broker, 0),
  reports: { publish() {}, partitions: () => [] },
  seed: Uint32Array.of(1, 2, 3, 4),
  settings: { checkpointMs: 10, liveIdleMs: 3_600_000, importIdleMs: 3_600_000 },
  clock: { now: Date.now, monotonic: () => performance.now() },
  logger: silent,
  metrics: { checkpoint() {}, hole() {} },
  ...over,
})

let frames = 0
/** One frame with events of these ids; each is a session of its own where `key` says so. */
const send = (ids: string[], key: (id: string) => string = () => 'k'): Promise<number> => {
  const now = Date.now()
  const lines = ids.map((id) =>
    JSON.stringify({
      tenant: 'main',
      source: 'live',
      receivedAt: now,
      time: now,
      key: key(id),
      weight: 1,
      schema: 0,
      e: { id, name: 'view' },
    }),
  )
  const frame = {
    partition: 0,
    messageId: `f${frames++}`,
    data: encoder.encode(lines.join('\n')),
    counts: new Map([['main', ids.length]]),
  }
  return createLogWriter(nats.broker).append(frame, 20_000)
}

/** Follows the checkpoints as a live view does; `counted(n)` resolves when so many events have counted. */
const follow = async () => {
  const seen: CheckpointDelta[] = []
  const waiting = new Set<() => void>()
  let gaps = 0
  const feed = await createCheckpointFeed(nats.broker).follow(
    0,
    0,
    (delta) => {
      seen.push(delta)
      for (const check of waiting) check()
    },
    () => gaps++,
  )
  const total = (): number => seen.flatMap(({ rows }) => rows).reduce((sum, row) => sum + row.events, 0)
  return {
    seen,
    total,
    gaps: () => gaps,
    stop: feed.stop,
    counted: (n: number) =>
      new Promise<void>((resolve) => {
        const check = (): void => {
          if (total() < n) return
          waiting.delete(check)
          resolve()
        }
        waiting.add(check)
        check()
      }),
  }
}

const own = (owner: string, over: Partial<OwnerDeps> = {}) => {
  const stop = new AbortController()
  const done = runPartition(deps(owner, over), stop.signal)
  done.catch(() => undefined)
  return { done, stop: () => stop.abort() }
}

describe('an owner on a real server', () => {
  test('counts each event once over owners, retries of frames and restarts of the server', async () => {
    const live = await follow()
    const first = own('first')
    await send(['a', 'b'])
    await live.counted(2)
    first.stop()
    await first.done
    await send(['b', 'c'])
    const second = own('second')
    await live.counted(3)
    await server.restart()
    await send(['c', 'd'])
    await live.counted(4)
    await send(['a', 'b', 'c', 'd', 'e'])
    await live.counted(5)
    second.stop()
    await second.done
    expect(live.total()).toBe(5)
    expect(live.seen.map(({ settlement }) => settlement.checkpoint)).toEqual(live.seen.map((_, i) => i + 1))
    expect(live.gaps()).toBe(0)
    await live.stop()
    const loaded = await createCheckpointFeed(nats.broker).load(0)
    expect(loaded?.rows.reduce((sum, row) => sum + row.events, 0)).toBe(5)
  })

  test('one that was taken over can commit nothing more', async () => {
    const live = await follow()
    // The first owner reads frames but its checkpoints come so rarely that it holds changes when the second one claims.
    const first = own('first', { settings: { checkpointMs: 1_500, liveIdleMs: 3_600_000, importIdleMs: 3_600_000 } })
    await send(['a'])
    await live.counted(1)
    await send(['b'])
    const second = own('second')
    await expect(first.done).rejects.toThrow(Fenced)
    await live.counted(2)
    await send(['c'])
    await live.counted(3)
    second.stop()
    await second.done
    expect(live.total()).toBe(3)
    await live.stop()
  })

  test('many checkpoints become few segments, and a new owner finds the same state', async () => {
    const live = await follow()
    const first = own('first', { settings: { checkpointMs: 0, liveIdleMs: 3_600_000, importIdleMs: 3_600_000 } })
    for (let i = 0; i < 300; i++) {
      await send([`id${i}`])
      await live.counted(i + 1)
    }
    first.stop()
    await first.done
    const { head } = await createStateStore(nats.broker, 0).head()
    expect(head?.manifest.length).toBeLessThan(32 + 16)
    const stored = await nats.jsm.streams.info(stateStream(0), { subjects_filter: '$KV.window_state_0.segment.>' })
    expect(Object.keys(stored.state.subjects ?? {}).length).toBe(
      head?.manifest.reduce((sum, ref) => sum + ref.chunks, 0),
    )
    const second = own('second')
    await send([...Array.from({ length: 300 }, (_, i) => `id${i}`), 'new'])
    await live.counted(301)
    second.stop()
    await second.done
    expect(live.total()).toBe(301)
    await live.stop()
  })

  test('a backlog of a hundred thousand new series is cut into checkpoints that the server takes', async () => {
    const bySession = {
      ...VIEWS,
      name: 'by_session',
      dimensions: ['sessionId'],
      windows: [60_000, 3_600_000, 86_400_000].map((sizeMs) => ({ kind: 'TUMBLING' as const, sizeMs })),
    }
    await createLogWriter(nats.broker).appendControl(
      0,
      { kind: 'defineMetric', tenant: 'main', metric: bySession },
      'by-session',
    )
    const ids = Array.from({ length: 34_000 }, (_, i) => `id${i}`)
    for (let at = 0; at < ids.length; at += 2_000) await send(ids.slice(at, at + 2_000), (id) => id)
    const live = await follow()
    const first = own('first')
    await live.counted(34_000 * 4)
    first.stop()
    await first.done
    // The cap on series leaves 10,000 names a window; every event counts all the same.
    const most = Math.max(...live.seen.map(({ rows }) => rows.length))
    expect(most).toBeLessThan(20_000 + 3 * 2_000 + 10)
    expect(live.total()).toBe(34_000 * 4)
    await live.stop()
  })

  test('storage reads every checkpoint whole, with the frames it settled', async () => {
    const first = own('first')
    await send(['a', 'a', 'b'])
    const stop = new AbortController()
    const feed = createOutputFeed(nats.broker)
    for await (const outputs of feed.read(0, 0, stop.signal)) {
      if (!('settlement' in outputs)) throw new Error('no outputs')
      const { settlement } = outputs
      if (settlement.totals.main === undefined) continue
      expect(settlement.totals.main).toEqual({ C: 2, D: 1, L: 0, I: 0 })
      expect(Object.values(settlement.outcomes)).toEqual(['1C1D1C'])
      const read = []
      for await (const message of feed.frames(0, settlement.from, settlement.to)) read.push(message.sequence)
      expect(read.at(-1)).toBe(settlement.to)
      break
    }
    stop.abort()
    first.stop()
    await first.done
  })
})

const headOf = (owner: string, epoch: number): Head => ({
  format: 1,
  partition: 0,
  epoch,
  owner,
  nonce: `${owner} ${epoch}`,
  checkpoint: 0,
  sequence: 0,
  manifest: [],
  marks: [],
})

test('a write that holds a message which no server takes is given up at once, and nothing of it is stored', async () => {
  const store = createStateStore(nats.broker, 0)
  const revision = await store.claim(headOf('owner', 1), 0)
  const stored = (await nats.jsm.streams.info(stateStream(0))).state.last_seq
  const next = { nonce: 'too big', manifest: [], marks: [] }
  const batch = buildBatch(new PartitionFold(Uint32Array.of(1, 2, 3, 4)).seal(1, 0), headOf('owner', 1), next, 0)
  const late = [{ tenant: 'main', data: new Uint8Array(nats.nc.info!.max_payload + 1) }]
  await expect(store.commit({ ...batch, late }, revision)).rejects.toThrow(Unsendable)
  expect((await nats.jsm.streams.info(stateStream(0))).state.last_seq).toBe(stored)
})

test('a write on a head that has moved is refused as a whole, and nothing of it is stored', async () => {
  const store = createStateStore(nats.broker, 0)
  const former = await store.claim(headOf('former', 1), 0)
  await store.claim(headOf('next', 2), former)
  const stored = (await nats.jsm.streams.info(stateStream(0))).state.last_seq
  const fold = new PartitionFold(Uint32Array.of(1, 2, 3, 4))
  const next = { nonce: 'late write', manifest: [], marks: [] }
  const batch = buildBatch(fold.seal(1, 0), headOf('former', 1), next, 0)
  await expect(store.commit(batch, former)).rejects.toThrow(Fenced)
  await expect(store.claim(headOf('former', 3), former)).rejects.toThrow(Fenced)
  expect((await nats.jsm.streams.info(stateStream(0))).state.last_seq).toBe(stored)
  expect((await store.head()).head?.owner).toBe('next')
})

test('an owner that clears up too late leaves the segments of the next owner alone', async () => {
  const former = createStateStore(nats.broker, 0)
  const revision = await former.claim(headOf('former', 1), 0)
  const ref = { id: '2-1', level: 0, chunks: 1, bytes: 1 }
  await former.writeSegment({ ...ref, id: '0-1' }, [encoder.encode('left by a crash')])
  const claimed = await createStateStore(nats.broker, 0).claim(headOf('next', 2), revision)
  await former.writeSegment(ref, [encoder.encode('of the next owner')])
  const keys = () => nats.broker.subjects(stateStream(0), '$KV.window_state_0.segment.>')
  // It had read the head before the next owner's claim, was stopped, and goes on now.
  await former.dropOrphans([], revision)
  expect(await keys()).toHaveLength(2)
  await former.dropOrphans([], claimed)
  expect(await keys()).toEqual(['$KV.window_state_0.segment.0.2-1.0'])
})

test('what had expired before it was read is named, and everything after it counts and is stored', async () => {
  const define = (await nats.jsm.streams.info(logStream(0))).state.last_seq
  await send(['lost'])
  await nats.jsm.streams.purge(logStream(0), { seq: await send(['kept']) })
  const holes: number[] = []
  const first = own('first', { metrics: { checkpoint() {}, hole: (_, messages) => holes.push(messages) } })
  const stop = new AbortController()
  const feed = createOutputFeed(nats.broker)
  for await (const outputs of feed.read(0, 0, stop.signal)) {
    if (!('settlement' in outputs)) throw new Error('no outputs')
    expect(outputs.settlement.missing).toEqual([{ from: 1, to: define + 1 }])
    expect(outputs.settlement.totals.main?.C).toBe(1)
    const { messages, missing } = await readSettled(feed, outputs.settlement)
    expect(missing).toEqual([])
    expect(messages.map(({ data }) => JSON.parse(new TextDecoder().decode(data)).e.id)).toEqual(['kept'])
    break
  }
  stop.abort()
  first.stop()
  await first.done
  expect(holes).toEqual([define + 1])
})

test('the same message id makes one message of the log, also after the server was killed', async () => {
  const frame = { partition: 0, messageId: 'same', data: encoder.encode('{}'), counts: new Map([['main', 1]]) }
  const log = createLogWriter(nats.broker)
  const first = await log.append(frame, 20_000)
  await server.restart()
  expect(await log.append(frame, 20_000)).toBe(first)
  expect((await nats.jsm.streams.info(logStream(0))).state.last_seq).toBe(first)
})

test('another number of partitions than the deployment has is refused', async () => {
  await expect(ensureDeployment(nats, { partitions: 2 })).rejects.toThrow(/has 1 partitions, 2 were asked for/)
})
