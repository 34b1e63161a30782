import type { Outcome } from '#schema/checkpoint.ts'
import { type EventLine, hashIdentity } from '#schema/event.ts'
import type { Hash128 } from '#schema/hash.ts'
import type { TenantFold } from './tenant.ts'
import { firstLiveMinute, minuteOf } from './watermark.ts'

/** An event that could be read, as the fold stands before its message. */
export interface Judged {
  line: EventLine
  tenant: TenantFold
  /** Of its source: what is older is late. */
  closedBefore: number
  /** Place in the log. */
  sequence: number
  index: number
  /** Whether all its metrics can take it. */
  isFoldable: boolean
}

/** Says what becomes of an event. */
export type Judge = (event: Judged) => Outcome

/**
 * By memory: an identity that has counted is a duplicate, and what is older than the horizon is late. What cannot be
 * folded is not remembered: sent again, it counts once the cause is gone.
 */
export const judgeByMemory = (seed: Hash128): Judge => {
  const hash: Hash128 = new Uint32Array(4)
  return ({ line, tenant, closedBefore, isFoldable }) => {
    const identities = tenant.identitiesOf(line.source)
    const forgotten = firstLiveMinute(closedBefore)
    hashIdentity(line, seed, hash)
    if (identities.has(hash, forgotten)) return 'D'
    // For everything at once, unlike Flink's rule per window.
    if (line.time < closedBefore) return 'L'
    if (!isFoldable) return 'I'
    identities.add(hash, minuteOf(line.time), forgotten)
    return 'C'
  }
}
