import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createDuck, type Duck } from '#infra/archive/duck.ts'
import { openArchiveBook } from '#infra/nats/archive-book.ts'
import type { Nats } from '#infra/nats/connect.ts'
import { createOutputFeed } from '#infra/nats/outputs.ts'
import { createSettledFeed } from '#infra/nats/settled-feed.ts'
import { readDeployment } from '#infra/nats/setup.ts'
import type { ObjectStore } from '#processors/ports.ts'
import { deploymentTag } from '#schema/archive.ts'
import { type VerifyResult, verifyArchive } from './verify.ts'

/** A folder and a DuckDB that may use it, for as long as `use` takes. */
export const withDuck = async <T>(use: (duck: Duck, folder: string) => Promise<T>): Promise<T> => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-archive-'))
  const duck = createDuck({ folder })
  try {
    return await use(duck, folder)
  } finally {
    await duck.close()
    await rm(folder, { recursive: true, force: true })
  }
}

interface VerifyOptions {
  /** Short name of the deployment, where it is not the one that its record gives. */
  deployment?: string
  say?: (line: string) => void
}

/** Verifies an archive against the log of the deployment on this server. */
export const verifyDeployment = async (
  nats: Nats,
  store: ObjectStore,
  { deployment, say = () => undefined }: VerifyOptions = {},
): Promise<VerifyResult> => {
  const { id, partitions } = await readDeployment(nats)
  const book = await openArchiveBook(nats.broker)
  return withDuck((duck, folder) =>
    verifyArchive({
      store,
      feed: createSettledFeed(nats.broker),
      book,
      newest: createOutputFeed(nats.broker).newest,
      partitions,
      deployment: deployment ?? deploymentTag(id),
      duck,
      folder,
      say,
    }),
  )
}
