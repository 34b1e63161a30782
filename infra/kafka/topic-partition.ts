import type { StoredMessage } from '#infra/nats/broker.ts'
import { settledSubject, stateStream } from '#schema/subjects.ts'
import type { RecordEntry } from './record-batch.ts'
import type { RecordCache } from './record-cache.ts'
import { LOG, type Settled, toSettled } from './settled.ts'
import { type Asker, createSettledReader } from './settled-reader.ts'
import type { StoredHead } from './settlement-feed.ts'
import type { StreamGuard } from './stream-guard.ts'
import { endOf, hasRecords, type Topic } from './topics.ts'

/** Of one question while new records are being cached. */
const CHUNK_BYTES = 4_000_000
/** Records are cached as they come for so long after somebody asked. */
const WANTED_MS = 30_000

export interface Slice {
  entries: RecordEntry[]
  /** Where the reader goes on: what lies between the last record and here holds nothing. */
  next: number
}

/** A partition of a topic as its readers see it. Whatever asks the broker rejects when nobody answers. */
export interface TopicPartition {
  /** The offset behind the last record that is settled. */
  end(): number
  /** The first offset from which nothing is missing, asked of the leader. */
  earliest(): Promise<number>
  /** The first record that was stored at or after this time, milliseconds since 1970. */
  byTime(timestamp: number): Promise<{ offset: number; timestamp: number } | null>
  /**
   * Records from an offset on: about `bytes`, one at least where there is one. Null: something that stood there has
   * expired, or nothing was ever there.
   */
  read(offset: number, bytes: number): Promise<Slice | null>
  /** Calls at every change of the end, and when the partition becomes unreadable. */
  onChange(listener: () => void): () => void
}

interface Dependencies {
  /** For the end of the partition, and what only the leader knows. */
  tail: Asker
  /** For those that catch up. */
  catchUp: Asker
  topic: Topic
  partition: number
  /** Of the topic's stream, whose range it answers, and of whatever else its records come from. */
  guard: Pick<StreamGuard, 'check'>
  cache: RecordCache
  /** Monotonic, milliseconds. */
  now: () => number
}

export const createTopicPartition = ({ tail, catchUp, topic, partition, guard, cache, now }: Dependencies) => {
  const { broker } = tail
  const { source } = topic
  const [stream, filter] = [source.stream(partition), source.filter(partition)]
  const newest = createSettledReader(tail, topic, partition)
  const older = createSettledReader(catchUp, topic, partition)
  const cached = cache.open()
  const listeners = new Set<() => void>()
  let end = 1
  let askedAt = Number.NEGATIVE_INFINITY

  const tell = (): void => {
    for (const listener of [...listeners]) listener()
  }
  const skipTo = (next: number): void => {
    end = Math.max(end, next)
    cached.reset(end)
    tell()
  }

  /** Behind the last record that the streams tell of; where all have expired, behind the last checkpoint. */
  const lastEnd = async (head: StoredHead): Promise<number> => {
    if (source === LOG) return head.sequence + 1
    const subject = topic.withSettlements ? settledSubject(partition) : filter
    const last = await broker.last(stream, subject)
    return last ? last.seq + 1 : head.at + 1
  }

  const fill = async (settled: Settled): Promise<void> => {
    const to = endOf(topic, settled)
    for (let next = Math.max(end, source.range(settled).from); next < to; ) {
      const read = await newest.readNamed([settled], next, CHUNK_BYTES)
      if (!read || read.next <= next) throw new Error(`what settlement ${settled.at} names cannot be read`)
      await guard.check()
      cached.append(read.entries)
      next = read.next
      end = next
      tell()
    }
  }

  const readBehindCache = async (offset: number, bytes: number): Promise<Slice | null> => {
    const read = await older.read(offset, bytes)
    await guard.check()
    if (!read) return null
    const next = Math.min(read.next, Math.max(end, offset))
    return { entries: read.entries.filter((entry) => entry.offset < next), next }
  }

  const readCache = (offset: number, bytes: number): Slice => {
    const entries = cached.read(offset, bytes)
    const last = entries.at(-1)
    const isAll = cached.read(last ? last.offset + 1 : offset, 0).length === 0
    return { entries, next: isAll || !last ? end : last.offset + 1 }
  }

  const readers: TopicPartition = {
    end: () => end,
    async earliest() {
      const [first, settled] = await Promise.all([
        broker.next(stream, filter, 1),
        broker.next(stateStream(partition), settledSubject(partition), 1),
      ])
      await guard.check()
      if (!first || !settled) return end
      return Math.min(end, Math.max(first.seq, source.range(toSettled(settled)).from))
    },
    async byTime(timestamp) {
      const { first, last } = await guard.check()
      let found: StoredMessage | null = null
      let [low, high] = [Math.max(1, first), Math.min(last, end - 1)]
      while (low <= high) {
        const middle = Math.floor((low + high) / 2)
        const message = await broker.next(stream, filter, middle)
        const isSettled = message !== null && message.seq < end
        if (isSettled && message.storedAt < timestamp) low = message.seq + 1
        else {
          if (isSettled) found = message
          high = middle - 1
        }
      }
      return found && { offset: found.seq, timestamp: found.storedAt }
    },
    async read(offset, bytes) {
      askedAt = now()
      if (offset >= cached.from() && offset <= end) return readCache(offset, bytes)
      if (offset < end) return offset < 0 ? null : readBehindCache(offset, bytes)
      // Another server may be ahead, or may know of no record where this one does: only the leader's end is one.
      const { last } = await guard.check()
      return offset > last + 1 ? null : { entries: [], next: offset }
    },
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }

  return {
    ...readers,
    topic,
    tell,
    open: async (head: StoredHead | null): Promise<void> => skipTo(head ? await lastEnd(head) : 1),
    /** Takes note of a settlement. `isNext`: it follows the one before. Records are kept while somebody wants them. */
    async advance(settled: Settled, isNext: boolean): Promise<void> {
      const to = endOf(topic, settled)
      if (to <= end || !hasRecords(topic, settled)) return
      if (!isNext || now() - askedAt > WANTED_MS) return skipTo(to)
      await fill(settled).catch(() => skipTo(to))
    },
  }
}
