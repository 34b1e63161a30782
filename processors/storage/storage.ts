import { type Logger, type OlapPart, type OlapWriter, OutOfSequence, type OutputFeed, OutputsGone } from '../ports.ts'
import { pause } from '../runtime/signal.ts'
import { FramesMissing, readPart } from './part.ts'
import { createPending } from './pending.ts'

export interface StorageSettings {
  /** Least time between the starts of two writes. */
  flushMs: number
  /** Past this much that waits to be written, reading stops until a write has taken it. */
  maxPendingBytes: number
  /** Between two tries of what failed. */
  retryMs: number
  maintainMs: number
}

const DEFAULTS: StorageSettings = {
  flushMs: 100,
  maxPendingBytes: 32_000_000,
  retryMs: 1_000,
  maintainMs: 60_000,
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
}

export interface Storage {
  /** By partition: the last checkpoint that is written. */
  positions(): readonly number[]
  pendingBytes(): number
  /** Why the store is not up to date and will not be by itself, in words; empty when all is well. */
  problems(): string[]
  /** Writes what has been read, then stops. */
  stop(): Promise<void>
}

const message = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** What no repetition brings back. */
const isGone = (error: unknown): boolean => error instanceof OutputsGone || error instanceof FramesMissing

const countEvents = (parts: readonly OlapPart[]): number =>
  parts.reduce((sum, { raw }) => sum + raw.reduce((lines, frame) => lines + frame.lines.length, 0), 0)

/**
 * Follows the checkpoints of all partitions from the store's own positions and writes what they settled. Rows and
 * positions are one transaction, so a crash at any point repeats nothing and loses nothing. The caller holds the lease.
 */
export const startStorage = async (deps: StorageDeps): Promise<Storage> => {
  const { writer, feed, clock, logger, metrics } = deps
  const settings = { ...DEFAULTS, ...deps.settings }
  const stopping = new AbortController()
  const { signal } = stopping
  const pending = createPending(settings.maxPendingBytes)
  const positions = await writer.positions()
  const halted = new Map<number, string>()
  let writeProblem: string | undefined

  const halt = (partition: number, error: unknown): void => {
    const problem = `${message(error)}; the store needs a refill from the log for what follows in this partition`
    halted.set(partition, problem)
    logger.error({ partition, position: positions[partition] }, problem)
  }

  const follow = async (partition: number): Promise<void> => {
    let read = positions[partition]
    while (!signal.aborted) {
      try {
        for await (const outputs of feed.read(partition, read, signal)) {
          const { checkpoint } = outputs.settlement
          if (checkpoint !== read + 1) throw new OutputsGone(partition, read + 1)
          const part = await readPart(feed, outputs)
          read = checkpoint
          await pending.add(part)
          if (signal.aborted) return
        }
      } catch (error) {
        if (isGone(error)) return halt(partition, error)
        if (!signal.aborted) logger.warn({ partition, error: message(error) }, 'reading outputs failed; trying again')
      }
      await pause(settings.retryMs, signal)
    }
  }

  /** False when storage stops before the parts are written. */
  const write = async (parts: OlapPart[]): Promise<boolean> => {
    for (;;) {
      const startedAt = clock.monotonic()
      try {
        await writer.write({ parts })
        writeProblem = undefined
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

  const writeAll = async (): Promise<void> => {
    for (;;) {
      await pending.filled()
      const parts = pending.take()
      if (parts.length === 0) return
      const startedAt = clock.monotonic()
      if (!(await write(parts))) return stopping.abort()
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

  signal.addEventListener('abort', () => pending.stop())
  const done = Promise.all([...positions.map((_, partition) => follow(partition)), writeAll(), maintain()])
  return {
    positions: () => positions,
    pendingBytes: () => pending.bytes(),
    problems: () => [...halted.values(), ...(writeProblem ? [writeProblem] : [])],
    async stop() {
      stopping.abort()
      await done
    },
  }
}
