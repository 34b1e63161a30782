import type { WallClock } from '#gateway/ports.ts'
import { type Changes, changesSince } from './changes.ts'
import type { LiveView, Moment } from './live-view.ts'
import type { Operation } from './operation.ts'

interface WatchOptions {
  view: LiveView
  clock: WallClock
  /** Shortest time between two ticks, milliseconds. */
  paceMs: number
  horizonMs: (tenant: string) => number
}

export interface Watch {
  /** Calls back at every tick. */
  listen(listener: () => void): () => void
  /** Something changed and its tick is still to come. */
  isDue(): boolean
  /** What changed from `since` to the view's newest moment. Computed once for all who ask with the same moments. */
  changes(since: Moment, now: Moment): Changes
  release(): void
}

const createTicker = ({ view, clock, paceMs }: WatchOptions, tenant: string) => {
  const waiters = new Set<() => void>()
  let timer: NodeJS.Timeout | undefined
  let lastTick = Number.NEGATIVE_INFINITY
  const tick = (): void => {
    timer = undefined
    lastTick = clock.now()
    for (const waiter of [...waiters]) waiter()
  }
  const stopListening = view.onChange(tenant, () => {
    if (timer) return
    const wait = lastTick + paceMs - clock.now()
    if (wait <= 0) tick()
    else timer = setTimeout(tick, wait)
  })
  return {
    isDue: (): boolean => timer !== undefined,
    listen(listener: () => void): () => void {
      waiters.add(listener)
      return () => waiters.delete(listener)
    },
    stop(): void {
      stopListening()
      clearTimeout(timer)
    },
  }
}

/** One ticker and one computation of changes for all subscriptions to the same operation. */
export const createWatches = (options: WatchOptions) => {
  const shared = new Map<string, { users: number; watch: Watch }>()

  const create = (key: string, operation: Operation): Watch => {
    const ticker = createTicker(options, operation.tenant)
    let known = new Map<Moment, Changes>()
    let knownAt: Moment | undefined
    return {
      listen: ticker.listen,
      isDue: ticker.isDue,
      changes(since, now) {
        if (knownAt !== now) known = new Map()
        knownAt = now
        let changes = known.get(since)
        if (!changes) {
          changes = changesSince(operation, options.view, since, now, options.horizonMs(operation.tenant))
          known.set(since, changes)
        }
        return changes
      },
      release() {
        const entry = shared.get(key)
        if (!entry || --entry.users > 0) return
        shared.delete(key)
        ticker.stop()
      },
    }
  }

  return {
    /** To be released by everybody who acquired it. */
    acquire(operation: Operation): Watch {
      const key = `${operation.version} ${operation.key}`
      let entry = shared.get(key)
      if (!entry) {
        entry = { users: 0, watch: create(key, operation) }
        shared.set(key, entry)
      }
      entry.users++
      return entry.watch
    },
    /** Operations that somebody watches. */
    size: (): number => shared.size,
  }
}

export type Watches = ReturnType<typeof createWatches>
