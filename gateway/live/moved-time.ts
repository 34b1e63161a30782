import { REACH_MS, type TenantTime } from '#schema/status.ts'
import type { Range } from './ranges.ts'

/** Ends and starts of windows, both bounds included: where the status is another one, a window has one of these. */
export interface MovedSpans {
  ends: Range[]
  starts: Range[]
}

type Reach = TenantTime['others'][number]

/**
 * Windows whose status may differ between two moments, without a look at any of them. See windowStatus: it depends on
 * whether all clocks have passed the end, and the end + the horizon. Windows of up to `longestMs`.
 */
export const movedSpans = (then: TenantTime, now: TenantTime, horizonMs: number, longestMs: number): MovedSpans => {
  const spans: MovedSpans = { ends: [], starts: [] }
  const passedBetween = (a: number, b: number): void => {
    if (a === b) return
    const [from, to] = [Math.min(a, b), Math.max(a, b)]
    spans.ends.push({ from, to }, { from: from - horizonMs, to: to - horizonMs })
  }
  const importBetween = (before: Reach | undefined, after: Reach | undefined): void => {
    if (before && after) {
      passedBetween(before.low, after.low)
      const [from, to] = [Math.min(before.high, after.high), Math.max(before.high, after.high)]
      if (from < to) spans.starts.push({ from: from + REACH_MS, to: to + REACH_MS })
      return
    }
    const one = before ?? after
    if (one) spans.starts.push({ from: one.low - horizonMs - longestMs, to: one.high + REACH_MS })
  }
  passedBetween(then.live, now.live)
  // Which of them is which is not known, and need not be: with all pairs equal nothing differs.
  for (let i = 0; i < Math.max(then.others.length, now.others.length); i++) importBetween(then.others[i], now.others[i])
  return spans
}
