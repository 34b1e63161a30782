import type { CheckpointFeed } from '#gateway/ports.ts'
import type { CheckpointOutputs, OutputFeed, SettlementsGone, StateStore } from '#processors/ports.ts'
import {
  type AggregateRow,
  type Head,
  isSessionRow,
  type LateEvent,
  type OutputRow,
  type Segment,
  type SessionRow,
} from '#schema/checkpoint.ts'
import { mergeSegments } from '#schema/segment-merge.ts'
import { HEAD_KEY, HEADERS, logStream, outputFilters, settledSubject, stateKey, stateStream } from '#schema/subjects.ts'
import { onlyTrace } from '#schema/trace.ts'
import type { Broker, StoredMessage } from './broker.ts'
import { consumeOnce, pause } from './follow.ts'
import { toLogMessage, traceOfMessage } from './log.ts'
import { behindSettlements, readSettlement } from './settlements.ts'
import { createStateStore } from './state.ts'

const RETRY_MS = 200
/** Of one question for frames. nats-server ends a connection for which more than 64 MB wait, and there are many partitions. */
const ASKED_BYTES = 4_000_000

const checkpointOf = (message: StoredMessage): number => Number(message.header(HEADERS.checkpoint) || 0)

/** Stream sequence from which the outputs of the checkpoints after `after` stand. */
const startOf = (broker: Broker, partition: number, after: number): Promise<number> =>
  behindSettlements(broker, partition, (message) => checkpointOf(message) <= after)

const decoder = new TextDecoder()
const lines = <T>(data: Uint8Array): T[] =>
  decoder
    .decode(data)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T)

/** Changes of slices, and sessions. */
const splitRows = (messages: readonly StoredMessage[]): { aggregates: AggregateRow[]; sessions: SessionRow[] } => {
  const split = { aggregates: [] as AggregateRow[], sessions: [] as SessionRow[] }
  for (const { data } of messages) {
    for (const row of lines<OutputRow>(data)) {
      if (isSessionRow(row)) split.sessions.push(row)
      else split.aggregates.push(row)
    }
  }
  return split
}

/** Collects the messages of one checkpoint; gives them when its settlement, the last of them, has come. */
const collector = () => {
  let aggregates: StoredMessage[] = []
  let late: StoredMessage[] = []
  const reset = (): void => {
    aggregates = []
    late = []
  }
  const finish = (message: StoredMessage): CheckpointOutputs => {
    const settlement = readSettlement(message)
    const mine = (part: StoredMessage): boolean => checkpointOf(part) === settlement.checkpoint
    const [ownAggregates, ownLate] = [aggregates.filter(mine), late.filter(mine)]
    reset()
    const isWhole = ownAggregates.length === settlement.aggregates
    return {
      settlement,
      ...(isWhole ? splitRows(ownAggregates) : { aggregates: null, sessions: null }),
      late: ownLate.length === settlement.late ? ownLate.flatMap(({ data }) => lines<LateEvent>(data)) : null,
      ...traceOfMessage(message),
    }
  }
  return {
    reset,
    add(message: StoredMessage): CheckpointOutputs | undefined {
      if (message.subject.startsWith('aggregates.')) aggregates.push(message)
      else if (message.subject.startsWith('late_events.')) late.push(message)
      else return finish(message)
      return undefined
    },
  }
}

const headOf = async (broker: Broker, partition: number): Promise<Head | null> => {
  const message = await broker.last(stateStream(partition), stateKey(partition, HEAD_KEY))
  return message && (JSON.parse(decoder.decode(message.data)) as Head)
}

/**
 * Where the outputs after `after` start in the stream, and which settlements are gone there: asked of the leader, so that
 * what a consumer left out is no hole. The head is read first: whatever it says is settled has a settlement, or had one.
 */
const lookAfter = async (
  broker: Broker,
  partition: number,
  after: number,
): Promise<{ start: number; gone: SettlementsGone | null }> => {
  const head = await headOf(broker, partition)
  const start = await startOf(broker, partition, after)
  if (!head || head.checkpoint <= after) return { start, gone: null }
  const next = await broker.next(stateStream(partition), settledSubject(partition), start)
  if (!next) return { start, gone: { checkpoint: head.checkpoint, sequence: head.sequence } }
  const { checkpoint, from } = readSettlement(next)
  return { start, gone: checkpoint === after + 1 ? null : { checkpoint: checkpoint - 1, sequence: from - 1 } }
}

/** Makes checkpoints of messages. */
interface Collector<T> {
  filters: string[]
  /** Forgets what belongs to a checkpoint that is not whole. */
  reset(): void
  /** A checkpoint when this is its last message. */
  add(message: StoredMessage): { checkpoint: number; item: T } | undefined
}

/** Checkpoints after `after` in order; ends only when aborted. What has expired is told. */
export async function* followCheckpoints<T>(
  broker: Broker,
  partition: number,
  after: number,
  parts: Collector<T>,
  signal: AbortSignal,
): AsyncGenerator<T | SettlementsGone> {
  const stream = stateStream(partition)
  const { filters } = parts
  let last = after
  while (!signal.aborted) {
    parts.reset()
    const found = await lookAfter(broker, partition, last).catch(() => null)
    if (!found) {
      await pause(RETRY_MS, signal)
      continue
    }
    const { start, gone } = found
    if (gone) {
      last = gone.checkpoint
      yield gone
      continue
    }
    for await (const message of consumeOnce(broker, stream, async () => ({ start, filters }), signal)) {
      const found = parts.add(message)
      if (!found || found.checkpoint <= last) continue
      // Something is missing: looked for anew.
      if (found.checkpoint > last + 1) break
      last++
      yield found.item
    }
    await pause(RETRY_MS, signal)
  }
}

const checkpoints = (
  broker: Broker,
  partition: number,
  after: number,
  signal: AbortSignal,
): AsyncGenerator<CheckpointOutputs | SettlementsGone> => {
  const { reset, add } = collector()
  const filters = Object.values(outputFilters(partition))
  const parts: Collector<CheckpointOutputs> = {
    filters,
    reset,
    add(message) {
      const item = add(message)
      return item && { checkpoint: item.settlement.checkpoint, item }
    },
  }
  return followCheckpoints(broker, partition, after, parts, signal)
}

/**
 * Messages from..to of a log, by batches of direct gets. Ends early where the log has expired. A replica that is behind
 * answers nothing for what the leader has: asked again.
 */
export async function* readFrames(broker: Broker, partition: number, from: number, to: number) {
  const stream = logStream(partition)
  for (let next = from; next <= to; ) {
    let got = 0
    for await (const message of broker.batch(stream, next, Math.min(to - next + 1, 256), { bytes: ASKED_BYTES })) {
      if (message.seq > to) break
      got++
      next = message.seq + 1
      yield toLogMessage(message)
    }
    if (got > 0) continue
    if ((await broker.range(stream)).first > next) return
    await pause(RETRY_MS)
  }
}

/** Reads segments that the newest head names; null where there is no head. */
const readNewest = async <T>(
  broker: Broker,
  partition: number,
  read: (head: Head, store: StateStore) => Promise<T>,
): Promise<T | null> => {
  const store = createStateStore(broker, partition)
  for (let tries = 0; ; tries++) {
    const { head } = await store.head()
    if (!head) return null
    try {
      return await read(head, store)
    } catch (error) {
      // A segment was merged away between the head and it: the next head does not name it.
      if (tries >= 20) throw error
      await pause(RETRY_MS)
    }
  }
}

/** All of a state but identities: they are the processor's alone. */
const readLive = async ({ manifest }: Head, store: StateStore): Promise<Segment> => {
  const chunks: Segment[] = []
  for (const ref of manifest) {
    for (let i = 0; i < ref.chunks; i++) chunks.push({ ...(await store.readChunk(ref, i)), ids: [] })
  }
  return mergeSegments(chunks)
}

export const createOutputFeed = (broker: Broker): OutputFeed => ({
  read: (partition, after, signal) => checkpoints(broker, partition, after, signal),
  frames: (partition, from, to) => readFrames(broker, partition, from, to),
  newest: async (partition) => (await headOf(broker, partition))?.checkpoint ?? 0,
  newestState: (partition) =>
    readNewest(broker, partition, async ({ manifest }, store) => {
      // Clocks, definitions and tenants stand in the first chunk of each segment.
      const firsts = manifest.filter(({ chunks }) => chunks > 0).map((ref) => store.readChunk(ref, 0))
      const { clocks, definitions, tenants } = mergeSegments(await Promise.all(firsts))
      return { clocks, definitions, tenants }
    }).then((state) => state ?? { clocks: [], definitions: [], tenants: [] }),
  liveSessions: async (partition) => (await readNewest(broker, partition, readLive))?.sessions ?? [],
})

export const createCheckpointFeed = (broker: Broker): CheckpointFeed => ({
  load: (partition) =>
    readNewest(broker, partition, async (head, store) => {
      const { rows, sessions, clocks, definitions } = await readLive(head, store)
      return { head, rows, sessions, clocks, definitions }
    }),
  async follow(partition, after, onCheckpoint, onGap) {
    const stopped = new AbortController()
    const run = async (): Promise<void> => {
      for await (const item of checkpoints(broker, partition, after, stopped.signal)) {
        if (!('settlement' in item) || !item.aggregates || !item.sessions) return onGap()
        const { settlement, aggregates: rows, sessions } = item
        onCheckpoint({ settlement, rows, sessions, ...onlyTrace(item) })
      }
    }
    const done = run()
    return {
      async stop() {
        stopped.abort()
        await done
      },
    }
  },
})
