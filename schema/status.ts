import type { Clock } from './checkpoint.ts'
import { LIVE_SOURCE } from './event.ts'

export type WindowStatus = 'PROVISIONAL' | 'COMPLETE' | 'CORRECTED' | 'FINAL' | 'RETRACTED'

/**
 * Where one tenant's clocks stand, over all partitions. Derived by whoever reads, so that live and stored points get
 * the same status.
 */
export interface TenantTime {
  /** Every window that ends at or before this is complete. Null before the first event. */
  watermark: number | null
  /** Imports and replays under way: [lowest, highest] of their clocks. */
  others: { low: number; high: number }[]
  /** Lowest clock of live traffic; Infinity when none holds anything back. */
  live: number
}

/**
 * Active clocks hold windows back; idle ones do not. Live traffic holds back every window beyond its lowest active
 * clock. An import holds back only windows that it has reached and not passed: an import of logs from 2015 does not
 * make today's windows provisional.
 */
export const tenantTime = (clocks: Iterable<Clock>): TenantTime => {
  const active = new Map<string, { low: number; high: number }>()
  let highestIdle = Number.NEGATIVE_INFINITY
  for (const { source, watermark, idle } of clocks) {
    if (idle) {
      if (watermark > highestIdle) highestIdle = watermark
      continue
    }
    const range = active.get(source)
    if (!range) active.set(source, { low: watermark, high: watermark })
    else {
      if (watermark < range.low) range.low = watermark
      if (watermark > range.high) range.high = watermark
    }
  }
  const liveRange = active.get(LIVE_SOURCE)
  active.delete(LIVE_SOURCE)
  const others = [...active.values()]
  // With nothing active, time stands where the most advanced idle clock has ticked to.
  const live = liveRange?.low ?? (others.length > 0 ? Number.POSITIVE_INFINITY : highestIdle)
  const lowest = Math.min(live, ...others.map((range) => range.low))
  const watermark = liveRange ? liveRange.low : Number.isFinite(lowest) ? lowest : null
  return { watermark, others, live }
}

/** Tolerance between an import's clock and its newest event: the clock trails by the out-of-orderness. */
export const REACH_MS = 60_000

/** Whether every clock has passed `time`, for a window that starts at `start`. */
const passed = (at: TenantTime, start: number, time: number): boolean =>
  at.live >= time && at.others.every((range) => range.low >= time || range.high + REACH_MS < start)

/** Status of the window [start, end), given the tenant's horizon and whether an event came after its end was passed. */
export const windowStatus = (
  at: TenantTime,
  start: number,
  end: number,
  horizonMs: number,
  corrected: boolean,
): WindowStatus => {
  if (!passed(at, start, end)) return 'PROVISIONAL'
  if (passed(at, start, end + horizonMs)) return 'FINAL'
  return corrected ? 'CORRECTED' : 'COMPLETE'
}
