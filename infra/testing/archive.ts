import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createDuck } from '#infra/archive/duck.ts'
import { createParquetFiles } from '#infra/archive/parquet.ts'
import { openArchiveBook } from '#infra/nats/archive-book.ts'
import type { Nats } from '#infra/nats/connect.ts'
import { createSettledFeed } from '#infra/nats/settled-feed.ts'
import { settlementOf } from '#infra/nats/settlements.ts'
import { type Archive, type ArchiveSettings, startArchive } from '#processors/archive/archive.ts'
import type { ObjectStore } from '#processors/ports.ts'
import { logStream } from '#schema/subjects.ts'
import type { VerifyResult } from '#scripts/archive/verify.ts'
import { verifyDeployment } from '#scripts/archive/verify-deployment.ts'
import { until } from './until.ts'

const isSettled = async ({ broker }: Nats, partition: number, sequence: number): Promise<boolean> =>
  sequence === 0 || (await settlementOf(broker, partition, sequence)) !== null

const silent = { info() {}, warn() {}, error() {} }
export const DEPLOYMENT = 'abcd1234'

/** Chunks at once, and nothing else by itself. */
const SETTINGS: ArchiveSettings = {
  chunkBytes: 64_000_000,
  chunkMs: 100,
  retryMs: 20,
  longestRetryMs: 100,
  upkeepMs: 3_600_000,
  patienceMs: 60_000,
  targetBytes: 64_000_000,
  fanIn: 16,
  quietMs: 1e12,
  graceMs: 3_600_000,
  retentionMs: 1e12,
}

/** A real archive of a real log, as storage runs it, in this process. */
interface TestArchive extends AsyncDisposable {
  readonly archive: Archive
  /** A DuckDB that may read below `folder` alone, and nothing that is not there. */
  readonly folder: string
  /** Waits until everything that is in the log now is settled and archived. */
  caughtUp(): Promise<void>
  verify(): Promise<VerifyResult>
}

export const startTestArchive = async (
  nats: Nats,
  store: ObjectStore,
  { partitions = 1, ...settings }: Partial<ArchiveSettings> & { partitions?: number } = {},
): Promise<TestArchive> => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-archive-'))
  const duck = createDuck({ folder })
  const book = await openArchiveBook(nats.broker)
  const feed = createSettledFeed(nats.broker)
  const archive = startArchive({
    partitions,
    deployment: DEPLOYMENT,
    feed,
    book,
    files: await createParquetFiles(duck, store, join(folder, 'spool')),
    store,
    settings: { ...SETTINGS, ...settings },
    clock: { now: Date.now, monotonic: () => performance.now() },
    metrics: { stored() {}, failed() {}, tended() {} },
    logger: silent,
  })
  const verify = () => verifyDeployment(nats, store, { deployment: DEPLOYMENT })
  return {
    archive,
    folder,
    async caughtUp() {
      for (let partition = 0; partition < partitions; partition++) {
        const { last } = await nats.broker.range(logStream(partition))
        await until('everything is settled', () => isSettled(nats, partition, last))
      }
      await until('everything is archived', async () => (await verify()).behind === 0)
    },
    verify,
    async [Symbol.asyncDispose]() {
      await archive.stop()
      await duck.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
