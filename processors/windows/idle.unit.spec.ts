import { expect, test } from 'vitest'
import { type ClockActivity, idleTick } from './idle.ts'

const SETTINGS = { liveIdleMs: 10_000, importIdleMs: 120_000 }
const clock = (over: Partial<ClockActivity> = {}): ClockActivity => ({
  tenant: 'main',
  source: 'live',
  watermark: 1_000_000,
  idle: false,
  lastEventAt: 0,
  open: true,
  ...over,
})
const tick = (over: Partial<ClockActivity>, now: number, lowest?: number) =>
  idleTick(clock(over), now, SETTINGS, lowest)?.watermark

test('a clock with events is left alone until the idle time-out', () => {
  expect(tick({}, 9_999)).toBeUndefined()
  expect(tick({ source: 'import-1' }, 119_999)).toBeUndefined()
})

test('the first tick says idle and moves nothing', () => {
  expect(tick({}, 10_000)).toBe(1_000_000)
  expect(tick({ open: false }, 10_000)).toBe(1_000_000)
})

test('with all idle it moves on at the rate of the clock from where it was, never by a jump to now', () => {
  expect(tick({ idle: true, lastTickAt: 10_000 }, 11_000)).toBe(1_001_000)
  expect(tick({ idle: true, lastTickAt: 11_000, watermark: 1_001_000 }, 12_500)).toBe(1_002_500)
})

test('a watermark stays a whole number of milliseconds, whatever the clock of the owner says', () => {
  expect(tick({ idle: true, lastTickAt: 10_000.25 }, 11_000.9)).toBe(1_001_000)
})

test('it follows the lowest active partition, forward only', () => {
  expect(tick({}, 10_000, 1_500_000)).toBe(1_500_000)
  expect(tick({ idle: true, lastTickAt: 10_000 }, 11_000, 900_000)).toBeUndefined()
  expect(tick({ idle: true, lastTickAt: 10_000 }, 11_000, Number.NEGATIVE_INFINITY)).toBeUndefined()
})

test('with nothing open there are no further ticks', () => {
  expect(tick({ idle: true, open: false, lastTickAt: 10_000 }, 11_000)).toBeUndefined()
})
