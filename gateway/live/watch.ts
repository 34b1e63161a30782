import type { WallClock } from '#gateway/ports.ts'
import type { Changes } from './changes.ts'
import type { LiveView, Moment } from './live-view.ts'
import type { Reading } from './reading.ts'

interface WatchOptions {
  view: LiveView
  clock: WallClock
  /** Shortest time between two ticks, milliseconds. */
  paceMs: number
}

export interface Watch {
  /** That of whoever came first. */
  reading: Reading
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

/** One ticker, one reading and one computation of changes for all subscriptions to the same operation. */
export const createWatches = (options: WatchOptions) => {
  const shared = new Map<string, { users: number; watch: Watch }>()

  const create = (key: string, reading: Reading): Watch => {
    const ticker = createTicker(options, reading.operation.tenant)
    let known = new Map<Moment, Changes>()
    let knownAt: Moment | undefined
    return {
      reading,
      listen: ticker.listen,
      isDue: ticker.isDue,
      changes(since, now) {
        if (knownAt !== now) known = new Map()
        knownAt = now
        let changes = known.get(since)
        if (!changes) {
          changes = reading.changesSince(since, now)
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
    acquire(reading: Reading): Watch {
      const { operation } = reading
      const key = `${operation.version} ${operation.key}`
      let entry = shared.get(key)
      if (!entry) {
        entry = { users: 0, watch: create(key, reading) }
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
