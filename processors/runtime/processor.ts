import { Fenced, type Leases, type Logger } from '../ports.ts'
import { pause } from './signal.ts'

const LOOK_MS = 300
const FAILURE_PAUSE_MS = 1_000
/** A partition that nobody has taken for so long is taken beyond the share: who should have it may still be starting. */
const ORPHANED_MS = 500

export interface ProcessorDeps {
  partitions: number
  leases: Leases
  /** Owns a partition until the signal aborts; rejects with Fenced when another owner has it. */
  run(partition: number, signal: AbortSignal): Promise<void>
  logger: Logger
}

const leaseName = (partition: number): string => `partition-${partition}`

/**
 * Holds as many free partitions as its share is: partitions divided by the processors that are alive; more when nobody
 * else takes them. It never takes one whose owner is alive.
 */
export const createProcessor = ({ partitions, leases, run, logger }: ProcessorDeps) => {
  const running = new Map<number, { stop: AbortController; done: Promise<void> }>()
  const stopping = new AbortController()

  leases.onLost((name) => {
    for (const [partition, { stop }] of running) {
      if (leaseName(partition) !== name) continue
      logger.warn({ partition }, 'lease lost: another processor has the partition')
      stop.abort()
    }
  })

  const own = async (partition: number, signal: AbortSignal): Promise<void> => {
    try {
      await run(partition, signal)
    } catch (error) {
      if (error instanceof Fenced) logger.warn({ partition }, `fenced: ${error.message}`)
      else {
        logger.error({ partition, error: error instanceof Error ? error.stack : String(error) }, 'partition failed')
        await pause(FAILURE_PAUSE_MS, signal)
      }
    }
    await leases.release(leaseName(partition))
  }

  const start = (partition: number): void => {
    const stop = new AbortController()
    const done = own(partition, AbortSignal.any([stop.signal, stopping.signal])).finally(() =>
      running.delete(partition),
    )
    running.set(partition, { stop, done })
  }

  const takeShare = async (): Promise<void> => {
    const share = Math.ceil(partitions / Math.max(1, leases.members()))
    for (let partition = 0; partition < partitions; partition++) {
      if (stopping.signal.aborted || running.has(partition)) continue
      if (running.size >= share && leases.ownerlessMs(leaseName(partition)) < ORPHANED_MS) continue
      if (await leases.acquire(leaseName(partition))) start(partition)
    }
  }

  const loop = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await takeShare()
      await pause(LOOK_MS, stopping.signal)
    }
  }
  const looping = loop()

  return {
    owned: (): number[] => [...running.keys()].sort((a, b) => a - b),
    /** Commits what every partition has, gives the leases back. */
    async stop(): Promise<void> {
      stopping.abort()
      await looping
      await Promise.all([...running.values()].map(({ done }) => done))
      await leases.close()
    },
  }
}
