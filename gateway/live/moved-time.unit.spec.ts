import fc from 'fast-check'
import { expect, test } from 'vitest'
import { REACH_MS, type TenantTime, windowStatus } from '#schema/status.ts'
import { movedSpans } from './moved-time.ts'
import type { Range } from './ranges.ts'

const HORIZON = 3 * REACH_MS
const LONGEST = 4 * REACH_MS

/** Few different times, so that bounds are met. */
const moment = fc.nat(24).map((step) => (step * REACH_MS) / 2)
const reach = fc.tuple(moment, moment).map(([a, b]) => ({ low: Math.min(a, b), high: Math.max(a, b) }))
const time: fc.Arbitrary<TenantTime> = fc.record({
  watermark: fc.constant(null),
  live: fc.oneof(moment, fc.constantFrom(Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY)),
  others: fc.array(reach, { maxLength: 3 }),
})
const span = fc
  .tuple(
    moment,
    fc.nat(8).map((step) => (step * REACH_MS) / 2),
  )
  .map(([start, length]) => ({ start, end: start + length }))

test('a window whose status has changed has its end or its start in one of the spans', () => {
  fc.assert(
    fc.property(time, time, fc.array(span, { minLength: 20, maxLength: 20 }), (then, now, windows) => {
      const { ends, starts } = movedSpans(then, now, HORIZON, LONGEST)
      const holds = (spans: Range[], at: number): boolean => spans.some(({ from, to }) => at >= from && at <= to)
      for (const { start, end } of windows) {
        const before = windowStatus(then, start, end, HORIZON, false)
        const isOther = before !== windowStatus(now, start, end, HORIZON, false)
        if (isOther) expect(holds(ends, end) || holds(starts, start)).toBe(true)
      }
    }),
    { numRuns: 2_000 },
  )
})

test('a clock that moves on a little concerns few windows', () => {
  const then = { watermark: 10, live: 10, others: [{ low: 4, high: 8 }] }
  const now = { watermark: 12, live: 12, others: [{ low: 4, high: 9 }] }
  expect(movedSpans(then, now, 100, 1_000)).toEqual({
    ends: [
      { from: 10, to: 12 },
      { from: -90, to: -88 },
    ],
    starts: [{ from: REACH_MS + 8, to: REACH_MS + 9 }],
  })
  expect(movedSpans(now, now, 100, 1_000)).toEqual({ ends: [], starts: [] })
})
