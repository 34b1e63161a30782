import type { Outcome } from '#schema/checkpoint.ts'
import { type EventLine, identityText } from '#schema/event.ts'
import { type Hash128, hash128 } from '#schema/hash.ts'
import type { TenantFold } from './tenant.ts'
import { firstLiveMinute, isLate, minuteOf } from './watermark.ts'

/**
 * Says what becomes of an event that could be read: the one at `index` of message `sequence`, with the watermark before
 * that message.
 */
export type Judge = (line: EventLine, tenant: TenantFold, watermark: number, sequence: number, index: number) => Outcome

/** By memory: an identity that has counted is a duplicate, and what is older than the horizon is late. */
export const judgeByMemory = (seed: Hash128): Judge => {
  const hash: Hash128 = new Uint32Array(4)
  return (line, tenant, watermark) => {
    const { latenessHorizonMs } = tenant.settings
    const identities = tenant.identitiesOf(line.source)
    const forgotten = firstLiveMinute(watermark, latenessHorizonMs)
    hash128(identityText(line), seed, hash)
    if (identities.has(hash, forgotten)) return 'D'
    if (isLate(line.time, watermark, latenessHorizonMs)) return 'L'
    identities.add(hash, minuteOf(line.time), forgotten)
    return 'C'
  }
}
