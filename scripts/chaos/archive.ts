import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createDuck } from '#infra/archive/duck.ts'
import { openPlace } from '#infra/archive/place.ts'
import { openArchiveBook } from '#infra/nats/archive-book.ts'
import type { Nats } from '#infra/nats/connect.ts'
import { createOutputFeed } from '#infra/nats/outputs.ts'
import { createSettledFeed } from '#infra/nats/settled-feed.ts'
import { readDeployment } from '#infra/nats/setup.ts'
import { until } from '#infra/testing/until.ts'
import { deploymentTag } from '#schema/archive.ts'
import { isInOrder, type VerifyResult, verifyArchive } from '../archive/verify.ts'

const ARCHIVED_MS = 120_000

/** Flag of a start whose archive is to be judged soon after its last event. */
export const SOON = '--archive-ms=1000'

export interface ArchiveEvidence {
  /** Rows of counted events. */
  events: number
  problems: string[]
}

const verify = async (nats: Nats, dataDir: string): Promise<VerifyResult> => {
  const { id, partitions } = await readDeployment(nats)
  const folder = await mkdtemp(join(tmpdir(), 'millrace-verify-'))
  const duck = createDuck({ folder })
  try {
    return await verifyArchive({
      store: await openPlace(join(dataDir, 'archive')),
      feed: createSettledFeed(nats.broker),
      book: await openArchiveBook(nats.broker),
      newest: createOutputFeed(nats.broker).newest,
      partitions,
      deployment: deploymentTag(id),
      duck,
      folder,
      say() {},
    })
  } finally {
    await duck.close()
    await rm(folder, { recursive: true, force: true })
  }
}

/** What the archive holds once it has all that is settled, against the log and against what settlements counted. */
export const readArchive = async (nats: Nats, dataDir: string, counted: number): Promise<ArchiveEvidence> => {
  try {
    const archived = async () => {
      const seen = await verify(nats, dataDir)
      return seen.behind === 0 && seen
    }
    const result = await until('the archive has what is settled', archived, ARCHIVED_MS)
    const { events, missing, duplicated, wrong, damaged, lost, findings } = result
    const numbers = `${missing} missing, ${duplicated} duplicated, ${wrong} wrong, ${damaged} damaged, ${lost} lost`
    return {
      events,
      problems: [
        ...(isInOrder(result) && lost === 0 ? [] : [`the archive is not in order: ${numbers}`, ...findings]),
        ...(events === counted ? [] : [`the archive holds ${events} counted events, settlements say ${counted}`]),
      ],
    }
  } catch (error) {
    return { events: 0, problems: [`the archive cannot be judged: ${(error as Error).message}`] }
  }
}
