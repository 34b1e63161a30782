import { type PartitionShedding, SHARES, type TenantShedding } from '#schema/shedding.ts'
import type { SheddingBook } from '../ports.ts'
import {
  isSettled,
  nextShare,
  type ShareSample,
  type ShareSettings,
  type ShareState,
  startShare,
} from './controller.ts'
import { heavyTenants } from './fair-share.ts'
import type { Load } from './load.ts'

/** Of one decision: it is one message. Of more tenants the heaviest are shed. */
const MOST_TENANTS = 1_000

/** How a partition stands. */
export interface Standing {
  load: Load
  behindSeconds: number
  pendingEvents: number
  /** Of a clock that never jumps, milliseconds. */
  monotonic: number
  /** Milliseconds since 1970. */
  now: number
}

interface Shed {
  state: ShareState
  since: number
  reason: string
}

interface ShedderOptions {
  partition: number
  owner: string
  epoch: number
  settings: ShareSettings
  book: SheddingBook
}

/** Decides what gateways shed of one partition, as its owner. */
export const createShedder = ({ partition, owner, epoch, settings, book }: ShedderOptions) => {
  const known = new Map<string, Shed>()
  /** What the owner before had decided holds until this one decides otherwise. */
  let inherited = book.last(partition)?.tenants ?? []
  let isTold = true

  const inherit = (sample: ShareSample): void => {
    for (const { tenant, share, since, reason } of inherited) {
      known.set(tenant, { state: startShare(Math.max(0, SHARES.indexOf(share)), sample), since, reason })
    }
    inherited = []
  }

  const decide = (standing: Standing): void => {
    const { load, behindSeconds, pendingEvents, monotonic } = standing
    const rates = new Map(load.tenants.map(({ tenant, perSecond }) => [tenant, perSecond]))
    const sampleOf = (tenant: string, isHeavy: boolean): ShareSample => ({
      now: monotonic,
      behindSeconds,
      pendingEvents,
      isHeavy,
      perSecond: rates.get(tenant) ?? 0,
    })
    inherit(sampleOf('', false))
    const isBehind = behindSeconds * 1_000 > settings.shedLagMs / 2
    const heaviest = isBehind ? heavyTenants(load.tenants, load.perSecond).toReversed() : []
    const heavy = new Set(heaviest.map(({ tenant }) => tenant))
    const fresh = [...heavy].filter((tenant) => !known.has(tenant))
    for (const tenant of [...known.keys(), ...fresh.slice(0, MOST_TENANTS - known.size)]) {
      const sample = sampleOf(tenant, heavy.has(tenant))
      const before = known.get(tenant) ?? { state: startShare(0, sample), since: standing.now, reason: '' }
      const state = nextShare(before.state, sample, settings)
      const hasFallen = state.level > before.state.level
      const since = before.state.level === 0 ? standing.now : before.since
      known.set(tenant, { state, since, reason: hasFallen ? reasonOf(standing) : before.reason })
      if (state.level !== before.state.level) isTold = false
      if (isSettled(state, monotonic) && !heavy.has(tenant)) known.delete(tenant)
    }
  }

  const shedding = (): TenantShedding[] =>
    [...known].flatMap(([tenant, { state, since, reason }]) =>
      state.level === 0 ? [] : [{ tenant, share: SHARES[state.level], since, reason }],
    )

  return {
    /** To be called about once a second; tells the gateways what has changed. Rejects when it could not. */
    async look(standing: Standing): Promise<void> {
      decide(standing)
      if (isTold) return
      isTold = true
      const decision: PartitionShedding = { partition, owner, epoch, tenants: shedding(), at: standing.now }
      try {
        await book.publish(decision)
      } catch (error) {
        isTold = false
        throw error
      }
    },
    shedding,
  }
}

const reasonOf = ({ load, behindSeconds }: Standing): string => {
  const [arriving, taken] = [load.arrivingPerSecond, load.perSecond].map((rate) =>
    Math.round(rate).toLocaleString('en'),
  )
  return `${behindSeconds.toFixed(1)} s behind: ${arriving} events/s arrive, ${taken}/s are processed`
}
