import type { StoredHole } from '#schema/olap.ts'
import { failSpan } from '#schema/spans.ts'
import {
  type ArchiveReader,
  type Logger,
  type OlapPart,
  type OlapWriter,
  OutOfSequence,
  type OutputFeed,
  type RawRestorer,
} from '../ports.ts'
import { pause } from '../runtime/signal.ts'
import { createTurns } from '../runtime/turns.ts'
import { holeProblems } from './holes.ts'
import { followPartition, isLacking } from './partition.ts'
import { createPending } from './pending.ts'
import { restoreHoles } from './restore.ts'
import type { StoreSpans } from './store-span.ts'

export interface StorageSettings {
  /** Least time between the starts of two writes. */
  flushMs: number
  /** Past this much that waits to be written, reading stops until a write has taken it. */
  maxPendingBytes: number
  /** Between two tries of what failed. */
  retryMs: number
  maintainMs: number
  /** Between two looks for holes that the archive may fill. */
  restoreMs: number
}

const DEFAULTS: StorageSettings = {
  flushMs: 100,
  maxPendingBytes: 32_000_000,
  retryMs: 1_000,
  maintainMs: 60_000,
  restoreMs: 10_000,
}

export interface StorageDeps {
  writer: OlapWriter
  feed: OutputFeed
  /** Milliseconds since 1970, and milliseconds of a clock that never jumps. */
  clock: { now(): number; monotonic(): number }
  logger: Logger
  metrics: { written(durationMs: number, events: number): void }
  /** Told of the positions after every write. */
  onWritten?: (positions: readonly number[]) => void
  /** The store is not where this process left it: only a start from its positions helps. Nothing is written any more. */
  onFatal(error: Error): void
  settings?: Partial<StorageSettings>
  /** Where raw events of holes may be, and what puts them into the store; they are kept there for `keptMs`. */
  restoring?: { archive: ArchiveReader; restorer: RawRestorer; keptMs: number }
  spans?: StoreSpans
}

export interface Storage {
  /** By partition: the last checkpoint that is written. */
  positions(): readonly number[]
  pendingBytes(): number
  /** Why the store is not up to date and will not be by itself, in words; empty when all is well. */
  problems(): string[]
  /** What the store lacks. */
  holes(): readonly StoredHole[]
  /** They are no problem any more; answers how many were. */
  acknowledgeHoles(): Promise<number>
  /** Writes what has been read, then stops. */
  stop(): Promise<void>
}

const message = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const countEvents = (parts: readonly OlapPart[]): number =>
  parts.reduce((sum, { raw }) => sum + raw.reduce((events, { indexes }) => events + indexes.length, 0), 0)

/**
 * Follows the checkpoints of all partitions from the store's own positions and writes what they settled. Rows and
 * positions are one transaction, so a crash at any point repeats nothing and loses nothing. The caller holds the lease.
 */
export const startStorage = async (deps: StorageDeps): Promise<Storage> => {
  const { writer, feed, clock, logger, metrics, spans } = deps
  const settings = { ...DEFAULTS, ...deps.settings }
  const stopping = new AbortController()
  const { signal } = stopping
  const pending = createPending(settings.maxPendingBytes)
  const starts = await writer.partitions()
  const positions = starts.map(({ checkpoint }) => checkpoint)
  let holes = await writer.holes()
  let writeProblem: string | undefined

  /** False when storage stops before the parts are written. */
  const write = async (parts: OlapPart[]): Promise<boolean> => {
    for (;;) {
      const startedAt = clock.monotonic()
      try {
        await writer.write({ parts })
        writeProblem = undefined
        if (parts.some((part) => part.holes.length > 0)) holes = await writer.holes()
        for (const { partition, checkpoint } of parts) positions[partition] = checkpoint
        metrics.written(clock.monotonic() - startedAt, countEvents(parts))
        deps.onWritten?.(positions)
        return true
      } catch (error) {
        writeProblem = `the store does not take rows: ${message(error)}`
        logger.error({ error: message(error) }, 'writing failed; nothing of it is stored')
        if (error instanceof OutOfSequence) deps.onFatal(error)
        if (error instanceof OutOfSequence || signal.aborted) return false
        await pause(settings.retryMs, signal)
      }
    }
  }

  const writeTraced = async (parts: OlapPart[]): Promise<boolean> => {
    const span = spans?.start(parts, countEvents(parts))
    const written = await write(parts)
    if (written) span?.end()
    else failSpan(span, 'not_written', writeProblem)
    return written
  }

  const writeAll = async (): Promise<void> => {
    for (;;) {
      await pending.filled()
      const parts = pending.take()
      if (parts.length === 0) return
      const startedAt = clock.monotonic()
      if (!(await writeTraced(parts))) return stopping.abort()
      await pause(settings.flushMs - (clock.monotonic() - startedAt), signal)
    }
  }

  const maintain = async (): Promise<void> => {
    while (!signal.aborted) {
      await writer
        .maintain(clock.now())
        .catch((error: unknown) => logger.warn({ error: message(error) }, 'upkeep failed; trying again later'))
      await pause(settings.maintainMs, signal)
    }
  }

  const restore = async (): Promise<void> => {
    while (deps.restoring && !signal.aborted) {
      const { keptMs, ...sources } = deps.restoring
      try {
        const looked = await restoreHoles(holes, { ...sources, receivedAfter: clock.now() - keptMs, logger, signal })
        if (looked > 0) holes = await writer.holes()
      } catch (error) {
        if (!signal.aborted) logger.warn({ error: message(error) }, 'the archive did not fill a hole; trying again')
      }
      await pause(settings.restoreMs, signal)
    }
  }

  signal.addEventListener('abort', () => pending.stop())
  const turns = createTurns()
  const followers = starts.map((start, partition) =>
    followPartition({
      partition,
      start,
      feed,
      turns,
      add: (sized) => {
        // Both in one step: whoever takes the part takes its place in a trace.
        spans?.read(sized)
        return pending.add(sized)
      },
      written: () => positions[partition],
      openSessions: () => writer.openSessions(partition),
      // Until an operator has taken note each start looks again.
      behindHole: holes.some((hole) => hole.partition === partition && hole.acknowledgedAt === null && isLacking(hole)),
      retryMs: settings.retryMs,
      logger,
      signal,
    }),
  )
  const done = Promise.all([...followers.map((follower) => follower.done), writeAll(), maintain(), restore()])
  return {
    positions: () => positions,
    pendingBytes: () => pending.bytes(),
    problems: () => [
      ...followers.flatMap((follower) => follower.problem() ?? []),
      ...holeProblems(holes),
      ...(writeProblem ? [writeProblem] : []),
    ],
    holes: () => holes,
    async acknowledgeHoles() {
      const acknowledged = await writer.acknowledgeHoles()
      holes = await writer.holes()
      return acknowledged
    },
    async stop() {
      stopping.abort()
      await done
    },
  }
}
