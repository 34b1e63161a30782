import type { KeyRecord } from '#schema/keys.ts'
import type { UsageReport } from '#schema/report.ts'
import { Demand } from './demand.ts'
import { shareOf } from './fair-share.ts'
import { createPeers } from './peers.ts'
import { TokenBucket } from './token-bucket.ts'

/** Of all gateways together; 0: none. */
export interface RateLimits {
  eventsPerSecond: number
  bytesPerSecond: number
}

/** What of a request may pass. */
export interface Grant {
  /** Its first so many events. */
  events: number
  /** Until the rest, or as much of it as ever passes at once, could pass. */
  retryAfterMs: number
}

/** What is left of a limit at this gateway. */
export interface Allowance {
  unit: 'events' | 'bytes'
  perSecond: number
  left: number
}

export interface RateLimiterDependencies {
  /** Of keys that have none of their own. */
  defaults: RateLimits
  /** Name of this gateway in reports. */
  gateway: string
  /** Milliseconds. */
  monotonic: () => number
  /** More is asked of a key than the others know: they should hear of it now rather than in half a second. */
  onRise?: () => void
}

const UNITS = ['events', 'bytes'] as const
/** A bucket is full again long before. */
const IDLE_MS = 60_000
/** Between two reports; one that comes sooner, because a key is asked for more, begins no interval of its own. */
export const REPORT_MS = 500
/** A client that is told to wait gets that far at least. */
const LEAST_WAIT_MS = 50

interface Meter {
  unit: (typeof UNITS)[number]
  limit: number
  bucket: TokenBucket
  demand: Demand
}

interface KeyState {
  meters: Meter[]
  usedAt: number
  /** The others have heard that this gateway is asked for the key; before that it takes an equal part and no more. */
  isKnown: boolean
  /** They have heard, or are about to, that it is asked for more than its share. */
  isTold: boolean
  /** Of the peers, when the shares were reckoned. */
  version: number
}

/**
 * Limits of keys, shared by all gateways: each takes from a bucket of its own, filled at its share of the limit, and tells
 * the others what it was asked for. Nothing here waits for anybody.
 */
export const createRateLimiter = ({ defaults, gateway, monotonic, onRise = () => {} }: RateLimiterDependencies) => {
  const peers = createPeers(gateway)
  const states = new Map<string, KeyState>()
  let reportedAt = monotonic()

  const limitsOf = ({ eventsPerSecond, bytesPerSecond }: KeyRecord): [events: number, bytes: number] => [
    eventsPerSecond ?? defaults.eventsPerSecond,
    bytesPerSecond ?? defaults.bytesPerSecond,
  ]

  /** Its share, and how it changes when the others, or the key, have changed. */
  const rateOf = (key: string, { unit, limit }: Meter, isKnown: boolean): number =>
    isKnown ? shareOf(limit, peers.demands(key, unit === 'events' ? 0 : 1)) : limit / (peers.count() + 1)

  const share = (key: string, state: KeyState, now: number): void => {
    if (state.version === peers.version()) return
    state.version = peers.version()
    for (const meter of state.meters) meter.bucket.setRate(rateOf(key, meter, state.isKnown), now)
  }

  const makeState = (key: KeyRecord, now: number): KeyState => {
    const limits = limitsOf(key)
    const part = peers.count() + 1
    const meters = UNITS.flatMap((unit, index) => {
      const limit = limits[index]
      return limit === 0 ? [] : [{ unit, limit, bucket: new TokenBucket(limit / part, now), demand: new Demand() }]
    })
    onRise()
    return { meters, usedAt: now, isKnown: false, isTold: true, version: peers.version() }
  }

  const isCurrent = ({ meters }: KeyState, key: KeyRecord): boolean => {
    const [events, bytes] = limitsOf(key)
    const now = Object.fromEntries(meters.map(({ unit, limit }) => [unit, limit]))
    return (now.events ?? 0) === events && (now.bytes ?? 0) === bytes
  }

  /** Null where the key has no limit. A limit that was changed begins with full buckets. */
  const stateOf = (key: KeyRecord, now: number): KeyState | null => {
    const [events, bytes] = limitsOf(key)
    if (events === 0 && bytes === 0) return null
    let state = states.get(key.id)
    if (!state || !isCurrent(state, key)) {
      state = makeState(key, now)
      states.set(key.id, state)
    }
    share(key.id, state, now)
    return state
  }

  return {
    /** Takes as many events of a request as the key may send now; `bytes` are those of all of them. */
    take(key: KeyRecord, events: number, bytes: number): Grant {
      const now = monotonic()
      const state = events === 0 ? null : stateOf(key, now)
      if (!state) return { events, retryAfterMs: 0 }
      state.usedAt = now
      const sizes = { events: 1, bytes: Math.max(1, bytes / events) }
      const rooms = state.meters.map(({ unit, bucket }) => bucket.room(sizes[unit], now))
      const granted = Math.min(events, ...rooms)
      let waitMs = 0
      for (const { unit, bucket, demand } of state.meters) {
        demand.add(events * sizes[unit])
        bucket.take(granted * sizes[unit])
        waitMs = Math.max(waitMs, bucket.waitMs((events - granted) * sizes[unit], now))
      }
      if (granted < events && !state.isTold) {
        state.isTold = true
        onRise()
      }
      return { events: granted, retryAfterMs: granted === events ? 0 : Math.max(LEAST_WAIT_MS, Math.ceil(waitMs)) }
    },
    /** What is left of each limit of the key at this gateway; empty where it has none. */
    look(key: KeyRecord): Allowance[] {
      const now = monotonic()
      const meters = stateOf(key, now)?.meters ?? []
      return meters.map(({ unit, limit, bucket }) => ({ unit, perSecond: limit, left: bucket.left(now) }))
    },
    /** What this gateway is asked for. To be told every REPORT_MS, and at each rise. */
    report(): UsageReport {
      const now = monotonic()
      const ms = now - reportedAt
      const isDue = ms >= REPORT_MS / 2
      const keys: UsageReport['keys'] = {}
      peers.expire(now)
      for (const [id, state] of states) {
        const { meters, usedAt, isKnown } = state
        if (now - usedAt > IDLE_MS) {
          states.delete(id)
          continue
        }
        if (isDue) state.isTold = false
        const demands: [number, number] = [0, 0]
        for (const { unit, limit, demand } of meters) {
          const asked = isDue ? demand.close(ms) : demand.look(REPORT_MS)
          // Of one that has just begun nobody knows yet how much it will be: an equal part, at the most.
          demands[unit === 'events' ? 0 : 1] = isKnown ? asked : limit
        }
        if (demands[0] + demands[1] > 0) keys[id] = demands
      }
      if (isDue) reportedAt = now
      return { gateway, keys }
    },
    /** A report of any gateway, this one's own included. */
    hear(report: UsageReport): void {
      peers.hear(report, monotonic())
      if (report.gateway !== gateway) return
      for (const id of Object.keys(report.keys)) {
        const state = states.get(id)
        if (state) state.isKnown = true
      }
    },
  }
}

export type RateLimiter = ReturnType<typeof createRateLimiter>
