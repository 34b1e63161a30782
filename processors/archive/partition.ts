import { ARCHIVE_FORMAT, type ArchivePosition } from '#schema/archive.ts'
import type { Settlement } from '#schema/checkpoint.ts'
import {
  type ArchiveBook,
  type ArchiveLedger,
  type Logger,
  NewerFormat,
  type SettledFeed,
  type SettlementsGone,
  type StoredPosition,
} from '../ports.ts'
import { pause } from '../runtime/signal.ts'
import { FrameMismatch } from '../storage/lines.ts'
import { ArchiveMismatch, Chunk, type ChunkDeps } from './chunk.ts'
import { ArchiveOverlap } from './manifest.ts'
import type { Trouble } from './trouble.ts'

export interface ChunkSettings {
  /** A chunk is closed when its lines have so many bytes, */
  chunkBytes: number
  /** or so long after its first event was read, milliseconds. */
  chunkMs: number
  /** Between two tries of what failed, at first and at most. */
  retryMs: number
  longestRetryMs: number
}

export interface FollowDeps extends Omit<ChunkDeps, 'feed' | 'insist'> {
  feed: SettledFeed
  book: ArchiveBook
  /** Told of every chunk before the position moves behind it: some of them twice. */
  books?: ArchiveLedger
  settings: ChunkSettings
  monotonic: () => number
  trouble: Trouble
  onFailure: () => void
  logger: Logger
  signal: AbortSignal
}

interface ArchiveFollower {
  /** Last log sequence that is archived. */
  sequence(): number
  /** How long the oldest event that was read has waited to be archived, milliseconds. */
  waitingMs(): number
  done: Promise<void>
}

/** Checkpoints without an event move the recorded position rarely: to read so many again costs a moment. */
const SILENT_CHECKPOINTS = 5_000

const message = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** What no repetition mends. */
const isFinal = (error: unknown): boolean =>
  error instanceof FrameMismatch ||
  error instanceof ArchiveMismatch ||
  error instanceof ArchiveOverlap ||
  error instanceof NewerFormat

/**
 * Archives one partition. The bounds of a chunk are recorded by compare-and-set before any of its files is written, and
 * its files, their names and what manifests say of them follow from the bounds and the log alone. So whoever goes on
 * after a crash writes the same again, and what is there stays.
 */
export const archivePartition = (deps: FollowDeps): ArchiveFollower => {
  const { partition, feed, book, settings, monotonic, trouble, logger, signal } = deps
  const what = `archive of partition ${partition}`
  let stored: StoredPosition | null = null
  let sequence = 0
  /** When the first event of the open chunk was read. */
  let openedAt: number | null = null

  const failed = (error: unknown): void => {
    deps.onFailure()
    trouble.failed(what, message(error), isFinal(error))
    logger.warn({ partition, error: message(error) }, 'archiving failed')
  }

  /** Tries again with pauses that double, until it works, never can, or storage stops. */
  const insist = async <T>(attempt: () => Promise<T>): Promise<T> => {
    for (let wait = settings.retryMs; ; wait = Math.min(wait * 2, settings.longestRetryMs)) {
      try {
        return await attempt()
      } catch (error) {
        if (isFinal(error) || signal.aborted) throw error
        failed(error)
      }
      await pause(wait, signal)
      signal.throwIfAborted()
    }
  }

  const move = async (position: Omit<ArchivePosition, 'format'>): Promise<void> => {
    const { revision } = stored as StoredPosition
    const next = { format: ARCHIVE_FORMAT, ...position }
    // Whether it was written is not known once it fails: it is read again.
    stored = null
    stored = { position: next, revision: await book.write(partition, next, revision) }
    sequence = position.sequence
  }

  const fresh = (position: ArchivePosition): Chunk => new Chunk({ ...deps, insist }, position)

  const finish = async (chunk: Chunk): Promise<void> => {
    await chunk.store()
    const { books } = deps
    if (books && !chunk.isEmpty) await insist(() => books.writeArchived(chunk.archived()))
    await move({ checkpoint: chunk.checkpoint, sequence: chunk.sequence, chunk: null })
    openedAt = null
    trouble.succeeded(what)
    for (const loss of chunk.lost) logger.error({ ...loss }, 'messages had expired before they were archived')
  }

  /** The chunk whose bounds were recorded and which was not finished. */
  const finishOpen = async (position: ArchivePosition, bounds: { checkpoint: number; sequence: number }) => {
    const chunk = fresh(position)
    try {
      for await (const item of feed.read(partition, position.checkpoint, signal)) {
        await chunk.add(item)
        if (chunk.checkpoint >= bounds.checkpoint) break
      }
      if (signal.aborted) return
      chunk.endAt(bounds)
      await finish(chunk)
    } finally {
      await chunk.discard()
    }
  }

  const close = async (chunk: Chunk, position: ArchivePosition): Promise<void> => {
    const { checkpoint, sequence: to } = chunk
    if (!chunk.isEmpty) {
      await move({
        checkpoint: position.checkpoint,
        sequence: position.sequence,
        chunk: { checkpoint, sequence: to },
      })
    }
    await finish(chunk)
  }

  const isDue = (chunk: Chunk, position: ArchivePosition): boolean => {
    if (chunk.isEmpty) return chunk.checkpoint - position.checkpoint >= SILENT_CHECKPOINTS
    openedAt ??= monotonic()
    return chunk.bytes >= settings.chunkBytes || monotonic() - openedAt >= settings.chunkMs
  }

  /** Reads until a chunk is full or old enough, and archives it; again and again. */
  const follow = async (): Promise<void> => {
    const leaving = new AbortController()
    const items = feed.read(partition, position().checkpoint, AbortSignal.any([signal, leaving.signal]))
    const iterator = items[Symbol.asyncIterator]()
    const take = () => {
      const next = iterator.next()
      // It may fail while a chunk is written: whoever awaits it then hears of it.
      next.catch(() => undefined)
      return next
    }
    let chunk = fresh(position())
    let next = take()
    try {
      while (!signal.aborted) {
        const item = await first(next, openedAt === null ? null : openedAt + settings.chunkMs - monotonic())
        if (item?.done) return
        if (item) {
          await chunk.add(item.value)
          next = take()
          if (chunk.isEmpty) trouble.succeeded(what)
        }
        if (!isDue(chunk, position())) continue
        await close(chunk, position())
        await chunk.discard()
        chunk = fresh(position())
      }
    } finally {
      leaving.abort()
      openedAt = null
      await chunk.discard()
      await next.catch(() => undefined)
      await iterator.return?.()
    }
  }

  const position = (): ArchivePosition => (stored as StoredPosition).position

  /** The next item, or nothing after `ms`, or when storage stops. */
  const first = async (
    next: Promise<IteratorResult<Settlement | SettlementsGone>>,
    ms: number | null,
  ): Promise<IteratorResult<Settlement | SettlementsGone> | undefined> => {
    if (ms === null) return next
    const waiting = new AbortController()
    try {
      return await Promise.race([next, pause(ms, AbortSignal.any([signal, waiting.signal])).then(() => undefined)])
    } finally {
      waiting.abort()
    }
  }

  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        stored ??= await book.read(partition)
        sequence = position().sequence
        const open = position().chunk
        if (open) await finishOpen(position(), open)
        else await follow()
      } catch (error) {
        if (signal.aborted) return
        failed(error)
        stored = null
        if (isFinal(error)) {
          logger.error({ partition, error: message(error) }, 'nothing more of this partition is archived')
          return
        }
      }
      await pause(settings.retryMs, signal)
    }
  }

  return {
    sequence: () => sequence,
    waitingMs: () => (openedAt === null ? 0 : monotonic() - openedAt),
    done: run(),
  }
}
