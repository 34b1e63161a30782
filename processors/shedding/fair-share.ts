/** Events a second that a tenant sends. */
export interface TenantRate {
  tenant: string
  perSecond: number
}

/** For rates that are the same but for rounding. */
const TOLERANCE = 1e-9

/**
 * Tenants that send more than their fair share of what a partition can take (max-min fairness): who asks for less than an
 * equal part gets all of it, and what such tenants leave is divided equally among the others. These are the heavy ones:
 * without them the partition could take what comes. `capacity` in events a second.
 */
export const heavyTenants = (rates: readonly TenantRate[], capacity: number): TenantRate[] => {
  const sorted = rates.toSorted((a, b) => a.perSecond - b.perSecond)
  let left = capacity
  const firstHeavy = sorted.findIndex(({ perSecond }, index) => {
    const fairShare = left / (sorted.length - index)
    if (perSecond >= fairShare * (1 - TOLERANCE)) return true
    left -= perSecond
    return false
  })
  return firstHeavy < 0 ? [] : sorted.slice(firstHeavy)
}
