import { join } from 'node:path'
import { openPlace } from '#infra/archive/place.ts'
import type { Nats } from '#infra/nats/connect.ts'
import { until } from '#infra/testing/until.ts'
import { isInOrder } from '../archive/verify.ts'
import { verifyDeployment } from '../archive/verify-deployment.ts'

const ARCHIVED_MS = 120_000

/** Flag of a start whose archive is to be judged soon after its last event. */
export const SOON = '--archive-ms=1000'

interface ArchiveEvidence {
  /** Rows of counted events. */
  events: number
  problems: string[]
}

/** What the archive holds once it has all that is settled, against the log and against what settlements counted. */
export const readArchive = async (nats: Nats, dataDir: string, counted: number): Promise<ArchiveEvidence> => {
  try {
    const store = await openPlace(join(dataDir, 'archive'))
    const archived = async () => {
      const seen = await verifyDeployment(nats, store)
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
