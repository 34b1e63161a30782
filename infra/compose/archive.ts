import { join } from 'node:path'
import { Counter, Gauge, type Registry } from 'prom-client'
import { createDuck } from '#infra/archive/duck.ts'
import { createParquetFiles } from '#infra/archive/parquet.ts'
import { openPlace } from '#infra/archive/place.ts'
import { type Config, NO_ARCHIVE } from '#infra/config.ts'
import { openArchiveBook } from '#infra/nats/archive-book.ts'
import type { Nats } from '#infra/nats/connect.ts'
import { createSettledFeed } from '#infra/nats/settled-feed.ts'
import { keptBy } from '#infra/retention.ts'
import { type Archive, type ArchiveMetrics, type ArchiveSettings, startArchive } from '#processors/archive/archive.ts'
import { UPKEEP } from '#processors/archive/upkeep.ts'
import type { Logger } from '#processors/ports.ts'
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

export interface ArchiveProcess {
  problems(): string[]
  stop(): Promise<void>
}

const NOTHING: ArchiveProcess = { problems: () => [], stop: async () => undefined }

export interface ArchiveProcessDeps {
  config: Config
  nats: Nats
  partitions: number
  deploymentId: string
  registry: Registry
  logger: Logger
}

/** The archive as the settings want it, or none. The caller holds the lease of storage. */
export const startArchiveProcess = async (deps: ArchiveProcessDeps): Promise<ArchiveProcess> => {
  const { config, nats, partitions, deploymentId, registry, logger } = deps
  const place = config.archive ?? join(config.data, 'archive')
  if (place === NO_ARCHIVE) return NOTHING
  const store = await openPlace(place, { endpoint: config.archiveEndpoint })
  const folder = join(config.data, 'archive-spool')
  const duck = createDuck({ folder })
  const settings: ArchiveSettings = {
    ...FIXED,
    chunkBytes: config.archiveBytes,
    chunkMs: config.archiveMs,
    retentionMs: keptBy(config).archive,
  }
  const archive = startArchive({
    partitions,
    deployment: deploymentTag(deploymentId),
    feed: createSettledFeed(nats.broker),
    book: await openArchiveBook(nats.broker),
    files: await createParquetFiles(duck, store, folder),
    store,
    settings,
    clock: { now: Date.now, monotonic: () => performance.now() },
    metrics: createMetrics(registry),
    logger,
  })
  measure(registry, archive)
  logger.info({ archive: store.place }, 'archiving')
  return {
    problems: archive.problems,
    async stop() {
      const late = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), STOP_MS).unref())
      const isStopped = await Promise.race([archive.stop().then(() => true), late])
      if (isStopped) await duck.close()
    },
  }
}
