import { expect, test } from 'vitest'
import type { Clock } from './checkpoint.ts'
import { tenantTime, windowStatus } from './status.ts'

const clock = (watermark: number, source = 'live', idle = false): Clock => ({ tenant: 'main', source, watermark, idle })
const status = (clocks: Clock[], corrected = false) => windowStatus(tenantTime(clocks), 0, 60_000, 600_000, corrected)

test('a window is provisional until the lowest active clock has passed its end', () => {
  expect(status([clock(59_999), clock(90_000)])).toBe('PROVISIONAL')
  expect(status([clock(60_000), clock(90_000)])).toBe('COMPLETE')
  expect(status([])).toBe('PROVISIONAL')
})

test('an idle clock holds nothing back; with all idle the most advanced one tells the time', () => {
  expect(status([clock(0, 'live', true), clock(90_000)])).toBe('COMPLETE')
  expect(status([clock(0, 'live', true), clock(70_000, 'live', true)])).toBe('COMPLETE')
})

test('it is corrected when events came after the end, and final at the horizon', () => {
  expect(status([clock(100_000)], true)).toBe('CORRECTED')
  expect(status([clock(659_999)], true)).toBe('CORRECTED')
  expect(status([clock(660_000)], true)).toBe('FINAL')
})

test('an import holds back what it has reached and not passed, and nothing beyond', () => {
  const live = clock(10_000_000_000)
  expect(status([live, clock(30_000, 'import-1')])).toBe('PROVISIONAL')
  expect(status([live, clock(700_000, 'import-1')])).toBe('FINAL')
  // The import is at years before this window.
  expect(
    windowStatus(tenantTime([live, clock(30_000, 'import-1')]), 5_000_000_000, 5_000_060_000, 600_000, false),
  ).toBe('FINAL')
})
