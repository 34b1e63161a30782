import type { ArchiveFile, ArchiveGroup } from '#schema/archive.ts'
import type { ArchiveBook, ArchiveFiles, ArchiveLedger, Logger, ObjectStore, SettledFeed } from '../ports.ts'
import { pause } from '../runtime/signal.ts'
import { createTurns } from '../runtime/turns.ts'
import { createManifests } from './documents.ts'
import { archivePartition, type ChunkSettings } from './partition.ts'
import { createTrouble } from './trouble.ts'
import { createUpkeep, type UpkeepResult, type UpkeepSettings } from './upkeep.ts'

export interface ArchiveSettings extends ChunkSettings, UpkeepSettings {
  /** Between two looks for files to merge, expire and remove. */
  upkeepMs: number
  /** What fails for longer is told as a problem. */
  patienceMs: number
}

export interface ArchiveMetrics {
  stored(file: ArchiveFile, group: ArchiveGroup): void
  failed(): void
  tended(result: UpkeepResult): void
}

interface ArchiveDeps {
  partitions: number
  /** Short name of the deployment. */
  deployment: string
  feed: SettledFeed
  book: ArchiveBook
  books?: ArchiveLedger
  files: ArchiveFiles
  store: ObjectStore
  settings: ArchiveSettings
  /** Milliseconds since 1970, and milliseconds of a clock that never jumps. */
  clock: { now(): number; monotonic(): number }
  metrics: ArchiveMetrics
  logger: Logger
}

export interface Archive {
  /** By partition: last log sequence that is archived. */
  sequences(): number[]
  /** By partition: how long the oldest event that was read has waited, milliseconds. */
  waitingMs(): number[]
  /** What is behind, since when and why, in words; empty when all is well. */
  problems(): string[]
  /** Stops where it is: what is not archived is read again from the log. */
  stop(): Promise<void>
}

const message = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** Archives all partitions, and keeps the archive in order. The caller holds the lease of storage. */
export const startArchive = (deps: ArchiveDeps): Archive => {
  const { partitions, store, settings, clock, metrics, logger } = deps
  const stopping = new AbortController()
  const { signal } = stopping
  const manifests = createManifests(store)
  const trouble = createTrouble(clock.now, settings.patienceMs)
  const turns = createTurns()
  const inTurn = async <T>(work: () => Promise<T>): Promise<T> => {
    const end = await turns.take()
    try {
      return await work()
    } finally {
      end()
    }
  }
  const common = { ...deps, manifests, inTurn, now: clock.now, signal }

  const followers = Array.from({ length: partitions }, (_, partition) =>
    archivePartition({
      ...common,
      partition,
      monotonic: clock.monotonic,
      trouble,
      onFailure: metrics.failed,
      onStored: metrics.stored,
    }),
  )

  const upkeep = createUpkeep(common)
  const tend = async (): Promise<void> => {
    await pause(settings.upkeepMs, signal)
    while (!signal.aborted) {
      try {
        metrics.tended(await upkeep.pass())
        trouble.succeeded('upkeep of the archive')
      } catch (error) {
        if (signal.aborted) return
        metrics.failed()
        trouble.failed('upkeep of the archive', message(error))
        logger.warn({ error: message(error) }, 'upkeep of the archive failed; trying again later')
      }
      await pause(settings.upkeepMs, signal)
    }
  }

  const done = Promise.all([...followers.map((follower) => follower.done), tend()])
  return {
    sequences: () => followers.map((follower) => follower.sequence()),
    waitingMs: () => followers.map((follower) => follower.waitingMs()),
    problems: trouble.problems,
    async stop() {
      stopping.abort()
      await done
    },
  }
}
