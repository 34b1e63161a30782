import type { Span, Tracer } from '@opentelemetry/api'
import type { ByteBudget, Lease } from './byte-budget.ts'
import type { Catalog } from './catalog.ts'
import { ERROR } from './codes.ts'
import type { FetchedPartition, FetchedTopic, FetchPosition, FetchRequest } from './fetch.ts'
import { type Delivered, startFetchSpan } from './fetch-span.ts'
import { linesOfTenant } from './frame-lines.ts'
import type { KafkaLimits } from './limits.ts'
import type { KafkaMetrics } from './metrics.ts'
import { encodeRecord, encodeSkip, type RecordEntry } from './record-batch.ts'
import type { Slice, TopicPartition } from './topic-partition.ts'
import type { User } from './users.ts'

/** A client that is told to ask again does so at once. */
const AGAIN_MS = 100

/** A batch has no room for a longer way; the next one goes on. */
const MOST_SKIPPED = 2 ** 31 - 1

/** Where a connection reads. */
export interface ReadPlace {
  topic: string
  partition: number
  offset: number
}

interface Reader {
  user: User | null
  places: Map<string, ReadPlace>
  /** Aborts when nobody waits for the answer any more. */
  closed: AbortSignal
}

interface Dependencies {
  catalog: Catalog
  budget: ByteBudget
  metrics: Pick<KafkaMetrics, 'records'>
  limits: KafkaLimits
  tracer: Tracer
}

/** The caller releases the lease, which is for the answer's bytes, and ends the span when they are sent. */
interface Fetched {
  topics: FetchedTopic[]
  lease: Lease | null
  span?: Span
}

interface Round {
  topics: FetchedTopic[]
  /** Of records. */
  bytes: number
  /** What metrics.records is told. */
  counts: Delivered[]
  hasError: boolean
  /** An error that may be over soon. */
  hasTrouble: boolean
  /** Offsets without records were passed, and there are more behind them. */
  isOnWay: boolean
}

const clamp = (value: number, least: number, most: number): number => Math.min(most, Math.max(least, value))

/** What the user may see of them. */
const visible = (entries: readonly RecordEntry[], tenant: string | undefined): RecordEntry[] =>
  tenant === undefined
    ? [...entries]
    : entries.flatMap((entry) => {
        const value = linesOfTenant(entry.value, tenant)
        if (value === entry.value) return [entry]
        return value ? [encodeRecord(entry.offset, entry.timestamp, value, entry.headers)] : []
      })

/** Batches of a slice, with one that leads over what holds nothing at its end. */
const batchesOf = (entries: readonly RecordEntry[], offset: number, next: number): Buffer[] => {
  const last = entries.at(-1)
  const from = last ? last.offset + 1 : offset
  const batches = entries.map(({ batch }) => batch)
  if (next > from) batches.push(encodeSkip(from, Math.min(next - 1, from + MOST_SKIPPED)))
  return batches
}

export const createFetchHandler = ({ catalog, budget, metrics, limits, tracer }: Dependencies) => {
  const nothing = (position: FetchPosition, error: FetchedPartition['error'], end = -1): FetchedPartition => ({
    partition: position.partition,
    error,
    end,
    start: -1,
    batches: [],
  })

  const read = async (
    part: TopicPartition,
    topic: string,
    position: FetchPosition,
    bytes: number,
  ): Promise<Slice | FetchedPartition> => {
    try {
      const slice = await part.read(position.offset, bytes)
      return slice ?? nothing(position, ERROR.offsetOutOfRange)
    } catch (error) {
      return nothing(position, catalog.failed(error, topic, position.partition))
    }
  }

  const readAll = async (request: FetchRequest, { user, places }: Reader, bytes: number): Promise<Round> => {
    const round: Round = { topics: [], bytes: 0, counts: [], hasError: false, hasTrouble: false, isOnWay: false }
    const readOne = async (topic: string, position: FetchPosition): Promise<FetchedPartition> => {
      const part = catalog.find(user, topic, position.partition)
      if (typeof part === 'number') return nothing(position, part)
      const { partition, offset, maxBytes } = position
      places.set(`${topic}-${partition}`, { topic, partition, offset })
      const left = Math.min(bytes - round.bytes, maxBytes)
      if (left <= 0) return nothing(position, ERROR.none, part.end())
      const found = await read(part, topic, position, left)
      if ('error' in found) return found
      const entries = visible(found.entries, user?.tenant)
      const batches = batchesOf(entries, offset, found.next)
      const size = entries.reduce((sum, { batch }) => sum + batch.length, 0)
      round.bytes += size
      if (size > 0) round.counts.push([topic, entries.length, size])
      round.isOnWay ||= entries.length === 0 && found.next > offset && found.next < part.end()
      return { partition, error: ERROR.none, end: Math.max(part.end(), found.next), start: -1, batches }
    }
    for (const { topic, partitions } of request.topics) {
      const answers: FetchedPartition[] = []
      for (const position of partitions) answers.push(await readOne(topic, position))
      round.topics.push({ topic, partitions: answers })
    }
    const errors = round.topics.flatMap(({ partitions }) => partitions.map(({ error }) => error))
    round.hasError = errors.some((error) => error !== ERROR.none)
    round.hasTrouble = errors.some((error) => error === ERROR.notLeader)
    return round
  }

  /** Tells of the first change of what is asked for since it was called. */
  const watch = (request: FetchRequest, user: User | null, closed: AbortSignal) => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const wake = (): void => resolve()
    const parts = new Set<TopicPartition>()
    for (const { topic, partitions } of request.topics) {
      for (const { partition } of partitions) {
        const part = catalog.find(user, topic, partition)
        if (typeof part !== 'number') parts.add(part)
      }
    }
    const stops = [...parts].map((part) => part.onChange(wake))
    closed.addEventListener('abort', wake)
    return {
      /** Or so many milliseconds. */
      async within(ms: number): Promise<void> {
        const timer = setTimeout(wake, ms)
        await promise
        clearTimeout(timer)
      },
      stop(): void {
        closed.removeEventListener('abort', wake)
        for (const stop of stops) stop()
      },
    }
  }

  return async (request: FetchRequest, reader: Reader): Promise<Fetched> => {
    const until = performance.now() + clamp(request.maxWaitMs, 0, limits.waitMs)
    const left = (): number => Math.max(0, until - performance.now())
    const most = clamp(request.maxBytes, 1, limits.responseBytes)
    const least = clamp(request.minBytes, 0, most)
    for (;;) {
      const startedAt = Date.now()
      const change = watch(request, reader.user, reader.closed)
      try {
        const bytes = budget.share(most, Math.min(most, limits.leastShareBytes))
        const lease = await budget.take(bytes, left())
        if (!lease) return { topics: (await readAll(request, reader, 0)).topics, lease: null }
        const round = await readAll(request, reader, bytes).catch((error: unknown) => {
          lease.release()
          throw error
        })
        if (round.hasTrouble && round.bytes === 0) await change.within(Math.min(AGAIN_MS, left()))
        const isEnough = round.bytes >= least && (round.bytes > 0 || least === 0)
        if (isEnough || round.hasError || round.isOnWay || left() === 0 || reader.closed.aborted) {
          lease.resize(round.bytes)
          for (const count of round.counts) metrics.records(...count)
          const span = round.counts.length > 0 ? startFetchSpan(tracer, startedAt, round.counts) : undefined
          return { topics: round.topics, lease, span }
        }
        lease.release()
        await change.within(left())
      } finally {
        change.stop()
      }
    }
  }
}
