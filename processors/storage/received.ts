import { FRAME_DEADLINE_MS } from '#schema/limits.ts'
import type { OlapReader } from '#schema/olap.ts'
import {
  type FrameCounts,
  type HeaderFeed,
  type Logger,
  type OlapWriter,
  OutOfSequence,
  type ReceivedPart,
} from '../ports.ts'
import { pause } from '../runtime/signal.ts'

const FLUSH_MS = 250
const RETRY_MS = 1_000
/** Frames that are read and not written; past it reading waits. */
const MOST_WAITING = 50_000
const LOOK_MS = 1_000
/** How long an answer waits for headers that are read a little later than what they head. */
const PATIENCE_MS = 2_000
/** Looks that are not reached yet. Past it every other one is forgotten: where much waits, a second is no matter. */
const MOST_LOOKS = 1_000

export interface ReceivedDeps {
  writer: Pick<OlapWriter, 'writeReceived' | 'logPositions'>
  feed: HeaderFeed
  clock: { now(): number }
  logger: Logger
  onFatal(error: Error): void
}

/** The reader of headers: it shares nothing with the one of settlements but the store. */
export interface ReceivedReader {
  /**
   * Everything that gateways received until then is settled and stored, milliseconds since 1970; null while nobody
   * knows. A partition whose log has an end that is stored holds nothing back, however long ago that was.
   */
  settledUntil(): Promise<number | null>
  stop(): Promise<void>
}

/** Where all logs ended at a moment. */
interface Look {
  at: number
  last: number[]
}

const message = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** Counts what the headers of all logs say, from where the store's own positions are. */
export const startReceivedReader = async (deps: ReceivedDeps): Promise<ReceivedReader> => {
  const { writer, feed, clock, logger } = deps
  const stopping = new AbortController()
  const { signal } = stopping
  const read = (await writer.logPositions()).received
  const written = [...read]
  let waiting: (FrameCounts & { partition: number })[] = []
  let looks: Look[] = []

  const follow = async (partition: number): Promise<void> => {
    while (!signal.aborted) {
      try {
        for await (const frame of feed.read(partition, read[partition], signal)) {
          read[partition] = frame.sequence
          waiting.push({ ...frame, partition })
          while (waiting.length >= MOST_WAITING && !signal.aborted) await pause(FLUSH_MS, signal)
        }
      } catch (error) {
        if (!signal.aborted) logger.warn({ partition, error: message(error) }, 'reading headers failed; trying again')
      }
      await pause(RETRY_MS, signal)
    }
  }

  const partsOf = (frames: readonly (FrameCounts & { partition: number })[]): ReceivedPart[] =>
    [...new Set(frames.map(({ partition }) => partition))].map((partition) => {
      const own = frames.filter((frame) => frame.partition === partition)
      return { partition, after: written[partition], sequence: own[own.length - 1].sequence, frames: own }
    })

  const write = async (): Promise<void> => {
    if (waiting.length === 0) return
    const frames = waiting
    const parts = partsOf(frames)
    waiting = []
    try {
      await writer.writeReceived(parts)
    } catch (error) {
      waiting = [...frames, ...waiting]
      throw error
    }
    for (const { partition, sequence } of parts) written[partition] = sequence
  }

  const writeAll = async (): Promise<void> => {
    while (!signal.aborted) {
      await pause(FLUSH_MS, signal)
      try {
        await write()
      } catch (error) {
        logger.error({ error: message(error) }, 'the counts of headers were not written')
        if (error instanceof OutOfSequence) {
          deps.onFatal(error)
          return stopping.abort()
        }
        await pause(RETRY_MS, signal)
      }
    }
  }

  const look = async (): Promise<void> => {
    while (!signal.aborted) {
      const at = clock.now()
      try {
        looks.push({ at, last: await Promise.all(written.map((_, partition) => feed.last(partition))) })
        if (looks.length > MOST_LOOKS) looks = looks.filter((_, i) => i % 2 === 0)
      } catch (error) {
        logger.warn({ error: message(error) }, 'where the logs end is not known; looking again')
      }
      await pause(LOOK_MS, signal)
    }
  }

  /** Both readers' places, once the headers are read as far as the settlements, or patience is at its end. */
  const together = async () => {
    for (let waited = 0; ; waited += FLUSH_MS / 5) {
      const positions = await writer.logPositions()
      const behind = positions.settled.some((sequence, partition) => positions.received[partition] < sequence)
      if (!behind || waited >= PATIENCE_MS || signal.aborted) return positions
      await pause(FLUSH_MS / 5, signal)
    }
  }

  const done = Promise.all([...written.map((_, partition) => follow(partition)), writeAll(), look()])
  return {
    async settledUntil() {
      const { settled, received } = await together()
      const isReached = ({ last }: Look): boolean =>
        last.every((sequence, partition) => settled[partition] >= sequence && received[partition] >= sequence)
      const newest = looks.findLastIndex(isReached)
      if (newest < 0) return null
      looks = looks.slice(newest)
      return looks[0].at - FRAME_DEADLINE_MS
    },
    async stop() {
      stopping.abort()
      await done
      await write().catch((error: unknown) => logger.warn({ error: message(error) }, 'counts are read again later'))
    },
  }
}

/** The store as it answers from outside: how far the books are settled is not for the asker to say. */
export const withSettledUntil = <T extends OlapReader>(olap: T, reader: Pick<ReceivedReader, 'settledUntil'>): T => ({
  ...olap,
  ledger: async (query) => olap.ledger({ ...query, settledUntil: await reader.settledUntil() }),
})
