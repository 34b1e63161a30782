import type { TenantRate } from './fair-share.ts'

/** Rates are those of the last so many looks. */
const LOOKS = 5

/** What was read of a tenant since the take-over. */
export interface TenantRead {
  name: string
  read: { events: number; weight: number }
}

/** Events a second of one partition. */
export interface Load {
  /** That are read: while the partition is behind, what it can take. */
  perSecond: number
  /** That arrive in the log. */
  arrivingPerSecond: number
  /** That tenants send, what was shed included: each kept event stands for the weight it has. */
  tenants: TenantRate[]
}

interface Look {
  at: number
  pendingEvents: number
  events: number
  weights: ReadonlyMap<string, number>
}

/** Reckons the load from what was read and what is pending, look by look. Times are milliseconds. */
export const createLoadMeter = () => {
  const looks: Look[] = []
  return {
    look(at: number, tenants: Iterable<TenantRead>, pendingEvents: number): Load {
      const weights = new Map<string, number>()
      let events = 0
      for (const { name, read } of tenants) {
        weights.set(name, read.weight)
        events += read.events
      }
      const now = { at, pendingEvents, events, weights }
      looks.push(now)
      if (looks.length > LOOKS + 1) looks.shift()
      return loadBetween(looks[0], now)
    },
  }
}

const loadBetween = (then: Look, now: Look): Load => {
  const seconds = (now.at - then.at) / 1_000
  if (seconds <= 0) return { perSecond: 0, arrivingPerSecond: 0, tenants: [] }
  const perSecond = (now.events - then.events) / seconds
  const arrivingPerSecond = Math.max(0, perSecond + (now.pendingEvents - then.pendingEvents) / seconds)
  // What arrives is taken to be composed as what is read.
  const arrivingForOneRead = perSecond > 0 ? Math.max(1, arrivingPerSecond / perSecond) : 1
  const tenants = [...now.weights]
    .map(([tenant, weight]) => ({
      tenant,
      perSecond: ((weight - (then.weights.get(tenant) ?? 0)) / seconds) * arrivingForOneRead,
    }))
    .filter((rate) => rate.perSecond > 0)
  return { perSecond, arrivingPerSecond, tenants }
}
