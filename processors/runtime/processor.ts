import { Fenced, type Leases, type Logger, NewerFormat } from '../ports.ts'
import { assign } from './assignment.ts'
import { pause, Signal } from './signal.ts'

/** Time between looks while something is to be done that others must do first, or that failed. */
const LOOK_MS = 300
const FAILURE_PAUSE_MS = 1_000
/** A partition that nobody has taken for so long is taken beyond the share: who should have it does not answer. */
const ORPHANED_MS = 1_000
/** So long at most a partition that is given back waits for another one to be at work. */
const GIVING_MS = 10_000

export interface ProcessorDeps {
  partitions: number
  leases: Leases
  /**
   * Owns a partition until the signal aborts; calls `onReady` when it is at work. Rejects with Fenced when another owner
   * has it.
   */
  run(partition: number, signal: AbortSignal, onReady: () => void): Promise<void>
  /** A partition will not be owned here any more, and why. */
  onRefused(partition: number, reason: string): void
  logger: Logger
}

const leaseName = (partition: number): string => `partition-${partition}`

/**
 * Has its share of the partitions, as `assign` says and everybody reckons for themselves. What is free it takes as soon
 * as it hears of it. What others should have it gives back one at a time, the next when the one before is at work again,
 * and not before the members have been the same for the time of a lease: who starts after a crash must not move anything
 * before the dead one is known to be dead.
 */
export const createProcessor = ({ partitions, leases, run, onRefused, logger }: ProcessorDeps) => {
  const all = Array.from({ length: partitions }, (_, partition) => partition)
  const running = new Map<number, { stop: AbortController; done: Promise<void> }>()
  const stopping = new AbortController()
  const refused = new Map<number, string>()
  const changed = new Signal()
  let members = ''
  let membersSince = performance.now()
  let gaveAt = Number.NEGATIVE_INFINITY

  leases.onChange(() => changed.fire())
  leases.onLost((name) => {
    for (const [partition, { stop }] of running) {
      if (leaseName(partition) !== name) continue
      logger.warn({ partition }, 'lease lost: another processor has the partition')
      stop.abort()
    }
  })

  const own = async (partition: number, signal: AbortSignal): Promise<void> => {
    const name = leaseName(partition)
    try {
      await run(partition, signal, () => void leases.ready(name))
    } catch (error) {
      if (error instanceof Fenced) logger.warn({ partition }, `fenced: ${error.message}`)
      else if (error instanceof NewerFormat) {
        logger.error({ partition }, `partition refused: ${error.message}`)
        refused.set(partition, error.message)
        onRefused(partition, error.message)
        await leases.decline(name)
      } else {
        logger.error({ partition, error: error instanceof Error ? error.stack : String(error) }, 'partition failed')
        await pause(FAILURE_PAUSE_MS, signal)
      }
    }
    await leases.release(name)
  }

  const start = (partition: number): void => {
    const stop = new AbortController()
    const done = own(partition, AbortSignal.any([stop.signal, stopping.signal])).finally(() => {
      running.delete(partition)
      changed.fire()
    })
    running.set(partition, { stop, done })
  }

  /** Who should have each partition, of what is seen now; this one is a member whatever is seen. */
  const plan = (): Map<number, string> => {
    const seen = leases.members()
    const others = seen.filter(({ id }) => id !== leases.self)
    const self = seen.find(({ id }) => id === leases.self) ?? { id: leases.self, declines: new Set<string>() }
    const known = [...others.map(({ id }) => id)].sort().join('\n')
    if (known !== members) {
      members = known
      membersSince = performance.now()
    }
    const owners = new Map(
      all.flatMap((partition) => {
        const { owner } = leases.look(leaseName(partition))
        return owner === null ? [] : [[partition, owner] as const]
      }),
    )
    const candidates = [self, ...others].map(({ id, declines }) => ({
      id,
      declines: new Set(all.filter((partition) => declines.has(leaseName(partition)))),
    }))
    return assign(partitions, candidates, owners)
  }

  /** Takes what it should have and nobody holds; false when something is left to be taken, by whomever. */
  const take = async (target: ReadonlyMap<number, string>): Promise<boolean> => {
    let isAllHeld = true
    for (const partition of all) {
      if (stopping.signal.aborted) return true
      const { owner, ownerlessMs } = leases.look(leaseName(partition))
      if (running.has(partition) || !target.has(partition)) continue
      if (owner !== null) continue
      const isMine = target.get(partition) === leases.self
      const isTaken = (isMine || ownerlessMs >= ORPHANED_MS) && (await leases.acquire(leaseName(partition)))
      if (isTaken) start(partition)
      else isAllHeld = false
    }
    return isAllHeld
  }

  /** Gives back one partition that another one should have; true while there are such. */
  const give = (target: ReadonlyMap<number, string>): boolean => {
    const surplus = [...running.keys()].filter((partition) => (target.get(partition) ?? leases.self) !== leases.self)
    if (surplus.length === 0) return false
    if ([...running.values()].some(({ stop }) => stop.signal.aborted)) return true
    const now = performance.now()
    const isSettled = all.every((partition) => leases.look(leaseName(partition)).isReady || !target.has(partition))
    if (now - membersSince < leases.leaseMs || (!isSettled && now - gaveAt < GIVING_MS)) return true
    const partition = Math.max(...surplus)
    logger.info({ partition, to: target.get(partition) }, 'partition is given to another processor')
    gaveAt = now
    running.get(partition)?.stop.abort()
    return true
  }

  const loop = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const target = plan()
      const isAllHeld = await take(target)
      const isWaiting = give(target) || !isAllHeld
      const again = isWaiting ? setTimeout(() => changed.fire(), LOOK_MS) : undefined
      await changed.wait(stopping.signal)
      clearTimeout(again)
    }
  }
  const looping = loop()

  return {
    /** Partitions that a newer version has written, and what was refused of them. */
    refused: (): ReadonlyMap<number, string> => refused,
    owned: (): number[] => [...running.keys()].sort((a, b) => a - b),
    /** Is no member any more, commits what every partition has, gives the leases back. */
    async stop(): Promise<void> {
      const left = leases.leave()
      stopping.abort()
      await left
      await looping
      await Promise.all([...running.values()].map(({ done }) => done))
      await leases.close()
    },
  }
}
