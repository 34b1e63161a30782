import { type Headers, Refused } from '#infra/nats/broker.ts'

/** Messages that one atomic batch may have, and batches that one stream may have open. */
const MOST_MESSAGES = 1_000
const MOST_OPEN = 50
const OPEN_MS = 10_000

export interface Publication {
  subject: string
  data: Uint8Array
  headers: Headers
}

interface Batch {
  messages: Publication[]
  openedAt: number
  broken: boolean
}

/**
 * Atomic batches of one stream, as ADR-50 of nats-server has them: staged in memory, checked and stored as a whole at
 * the commit.
 */
export const createBatches = () => {
  const open = new Map<string, Batch>()

  const forgetOld = (now: number): void => {
    for (const [id, { openedAt }] of open) if (openedAt + OPEN_MS <= now) open.delete(id)
  }

  const begin = (id: string, now: number): Batch => {
    forgetOld(now)
    if (open.size >= MOST_OPEN) throw new Refused(10210, 'too many inflight atomic publish batches')
    const batch = { messages: [], openedAt: now, broken: false }
    open.set(id, batch)
    return batch
  }

  return {
    /** Stages one message; the whole batch when this one commits it. */
    stage(publication: Publication, now: number): Publication[] | null {
      const { headers } = publication
      const id = headers['Nats-Batch-Id']
      const place = Number(headers['Nats-Batch-Sequence'])
      const batch = place === 1 ? begin(id, now) : open.get(id)
      if (!batch) throw new Refused(10176, 'atomic publish batch is incomplete')
      if (place > MOST_MESSAGES) {
        open.delete(id)
        throw new Refused(10199, `atomic publish batch is too large: ${MOST_MESSAGES}`)
      }
      if (place !== batch.messages.length + 1) batch.broken = true
      batch.messages.push(publication)
      if (headers['Nats-Batch-Commit'] !== '1') return null
      open.delete(id)
      if (batch.broken) throw new Refused(10176, 'atomic publish batch is incomplete')
      return batch.messages
    },
    /** A server that starts again knows of none. */
    forget: (): void => open.clear(),
  }
}
