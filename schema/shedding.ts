/**
 * Shares of LOW events that are kept under load shedding, from all to the fewest. Halves, so that the weight of what is
 * kept (1/share) is exact in every sum.
 */
export const SHARES: readonly number[] = [1, 1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32]

/** What the owner of a partition has all gateways shed of it. One decides, so that all keep the same sessions. */
export interface PartitionShedding {
  partition: number
  owner: string
  /** The owner's: what a former one writes later does not count. */
  epoch: number
  /** Tenants of whose LOW events less than all are kept; of all others nothing is shed. */
  tenants: TenantShedding[]
  /** When it was decided, milliseconds since 1970. */
  at: number
}

export interface TenantShedding {
  tenant: string
  /** One of SHARES, below 1. */
  share: number
  /** When the share was 1 last, milliseconds since 1970. */
  since: number
  /** In words, as it was when the share last fell. */
  reason: string
}
