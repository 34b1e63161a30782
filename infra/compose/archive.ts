import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Counter, Gauge, type Registry } from 'prom-client'
import { createDuck } from '#infra/archive/duck.ts'
import { createParquetFiles } from '#infra/archive/parquet.ts'
import { openPlace } from '#infra/archive/place.ts'
import { createArchiveReader } from '#infra/archive/reader.ts'
import { type Config, NO_ARCHIVE } from '#infra/config.ts'
import { openArchiveBook } from '#infra/nats/archive-book.ts'
import type { Nats } from '#infra/nats/connect.ts'
import { createSettledFeed } from '#infra/nats/settled-feed.ts'
import { keptBy } from '#infra/retention.ts'
import { type Archive, type ArchiveMetrics, startArchive } from '#processors/archive/archive.ts'
import { UPKEEP } from '#processors/archive/upkeep.ts'
import type { ArchiveLedger, ArchiveReader, Logger } from '#processors/ports.ts'
import { pause } from '#processors/runtime/signal.ts'
import { deploymentTag } from '#schema/archive.ts'

const FIXED = {
  ...UPKEEP,
  retryMs: 1_000,
  longestRetryMs: 30_000,
  upkeepMs: 600_000,
  patienceMs: 300_000,
} as const

/** A stop waits for an object store no longer: what is under way there changes nothing. */
const STOP_MS = 3_000

const createMetrics = (registry: Registry): ArchiveMetrics => {
  const counter = (name: string, help: string, ...labelNames: string[]) =>
    new Counter({ name, help, labelNames, registers: [registry] })
  const rows = counter('millrace_archived_rows_total', 'Lines of the log that were archived, by outcome', 'outcome')
  const files = counter('millrace_archive_files_total', 'Files that were written to the archive')
  const bytes = counter('millrace_archive_bytes_total', 'Bytes of these files')
  const failures = counter('millrace_archive_failures_total', 'Steps of archiving that failed and are tried again')
  const merged = counter('millrace_archive_merges_total', 'Files of the archive that were made of smaller ones')
  return {
    stored(file, { outcome }) {
      rows.inc({ outcome }, file.rows)
      files.inc()
      bytes.inc(file.bytes)
    },
    failed: () => failures.inc(),
    tended: (result) => merged.inc(result.merged),
  }
}

const measure = (registry: Registry, archive: Archive): void => {
  new Gauge({
    name: 'millrace_archive_sequence',
    help: 'Last message of each partition of the log that is archived',
    labelNames: ['partition'],
    registers: [registry],
    collect() {
      for (const [partition, sequence] of archive.sequences().entries()) this.set({ partition }, sequence)
    },
  })
  new Gauge({
    name: 'millrace_archive_lag_seconds',
    help: 'How long the oldest event of each partition that was read has waited to be archived',
    labelNames: ['partition'],
    registers: [registry],
    collect() {
      for (const [partition, ms] of archive.waitingMs().entries()) this.set({ partition }, ms / 1000)
    },
  })
}

interface ArchiveProcess {
  /** What is there can be read again; absent where nothing is archived. */
  reader?: ArchiveReader
  problems(): string[]
  stop(): Promise<void>
}

const NOTHING: ArchiveProcess = { problems: () => [], stop: async () => undefined }

interface ArchiveProcessDeps {
  config: Config
  nats: Nats
  partitions: number
  deploymentId: string
  registry: Registry
  books: ArchiveLedger
  logger: Logger
}

/** An archive that was opened. */
interface Opened {
  archive: Archive
  reader: ArchiveReader
  close(): Promise<void>
}

const openArchive = async (place: string, deps: ArchiveProcessDeps): Promise<Opened> => {
  const { config, nats, partitions, deploymentId, registry, books, logger } = deps
  const store = await openPlace(place, { endpoint: config.archiveEndpoint })
  const [folder, reading] = [join(config.data, 'archive-spool'), join(config.data, 'archive-reading')]
  // What is in it is of a process that is gone.
  await rm(reading, { recursive: true, force: true })
  const [duck, readingDuck] = [createDuck({ folder }), createDuck({ folder: reading })]
  const deployment = deploymentTag(deploymentId)
  const archive = startArchive({
    partitions,
    deployment,
    feed: createSettledFeed(nats.broker),
    book: await openArchiveBook(nats.broker),
    books,
    files: await createParquetFiles(duck, store, folder),
    store,
    settings: {
      ...FIXED,
      chunkBytes: config.archiveBytes,
      chunkMs: config.archiveMs,
      retentionMs: keptBy(config).archive,
    },
    clock: { now: Date.now, monotonic: () => performance.now() },
    metrics: createMetrics(registry),
    logger,
  })
  measure(registry, archive)
  logger.info({ archive: store.place }, 'archiving')
  return {
    archive,
    reader: createArchiveReader({ store, duck: readingDuck, folder: reading, deployment }),
    async close() {
      await archive.stop()
      await duck.close()
      await readingDuck.close()
    },
  }
}

const message = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/**
 * The archive as the settings want it, or none. A place that cannot be opened is tried again: storage does not wait for
 * it. The caller holds the lease of storage.
 */
export const startArchiveProcess = (deps: ArchiveProcessDeps): ArchiveProcess => {
  const { config, logger } = deps
  const place = config.archive ?? join(config.data, 'archive')
  if (place === NO_ARCHIVE) return NOTHING
  const stopping = new AbortController()
  let opened: Opened | null = null
  let problem: string | null = null
  const open = async (): Promise<void> => {
    while (!opened && !stopping.signal.aborted) {
      try {
        opened = await openArchive(place, deps)
        problem = null
      } catch (error) {
        problem = `the archive at ${place} cannot be opened: ${message(error)}`
        logger.error({ place, error: message(error) }, 'the archive cannot be opened; trying again')
        await pause(FIXED.longestRetryMs, stopping.signal)
      }
    }
  }
  const opening = open()
  return {
    reader: {
      async *counted(...range) {
        if (!opened) throw new Error(problem ?? 'the archive is being opened')
        yield* opened.reader.counted(...range)
      },
    },
    problems: () => (problem === null ? (opened?.archive.problems() ?? []) : [problem]),
    async stop() {
      stopping.abort()
      const late = new Promise<void>((resolve) => setTimeout(resolve, STOP_MS).unref())
      await Promise.race([opening.then(() => opened?.close()), late])
    },
  }
}
