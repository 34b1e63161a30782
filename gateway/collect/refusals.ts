import { createReceivedTally, type Received } from '#schema/ledger.ts'

/** Events of one request that were refused for good. */
export interface RefusedEvents {
  tenant: string
  /** Milliseconds since 1970. */
  receivedAt: number
  rejected: number
  shed: number
}

/** Counts that went with a frame of which nobody knows whether it is in the log. */
interface Doubtful {
  /** Of that frame: sent again under it, the counts are in the log once, in whichever of the two messages. */
  messageId: string
  received: Received[]
  since: number
}

/** For how long the log is sure to know a message id again; it remembers them for two minutes. */
const DOUBT_MS = 100_000

interface RefusalsDependencies {
  /** Longest that counts wait for a frame to ride on, milliseconds. */
  refusedMs?: number
  /** Milliseconds. */
  monotonic: () => number
  /** No frame came that took the counts along: one is due. */
  isDue: () => void
}

/**
 * Counts of refused events of one partition on their way into the log, where they survive this process. They ride on the
 * next frame, so that a flood of refused events costs no more than a frame a second.
 */
export const createRefusals = ({ refusedMs = 1_000, monotonic, isDue }: RefusalsDependencies) => {
  const tally = createReceivedTally()
  let doubtful: Doubtful[] = []
  let timer: NodeJS.Timeout | undefined

  const isTooOld = ({ since }: Doubtful): boolean => monotonic() - since > DOUBT_MS
  const isWaiting = (): boolean => !tally.isEmpty() || doubtful.length > 0
  const arm = (): void => {
    timer ??= setTimeout(() => {
      timer = undefined
      if (isWaiting()) isDue()
    }, refusedMs)
    timer.unref()
  }

  return {
    isWaiting,
    add({ tenant, receivedAt, rejected, shed }: RefusedEvents): void {
      tally.add(tenant, receivedAt, 'rejected', rejected)
      tally.add(tenant, receivedAt, 'shed', shed)
      if (isWaiting()) arm()
    },
    /** For the frame that goes now. */
    take: (): Received[] => tally.take(),
    /** The frame of this id was not confirmed. */
    doubt(messageId: string, received: Received[]): void {
      if (received.length === 0) return
      doubtful.push({ messageId, received, since: monotonic() })
      arm()
    },
    /**
     * Sends what is in doubt again, oldest first, until one is not confirmed. Answers how many events are in no count,
     * because the log was away for too long.
     */
    async confirm(send: (messageId: string, received: Received[]) => Promise<unknown>): Promise<number> {
      const [old, fresh] = [doubtful.filter(isTooOld), doubtful.filter((one) => !isTooOld(one))]
      doubtful = fresh
      try {
        for (const one of fresh) {
          await send(one.messageId, one.received)
          doubtful = doubtful.filter((other) => other !== one)
        }
      } catch {
        arm()
      }
      return old.flatMap(({ received }) => received).reduce((sum, { rejected, shed }) => sum + rejected + shed, 0)
    },
  }
}

export type Refusals = ReturnType<typeof createRefusals>
