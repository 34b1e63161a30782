import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatDuration, formatTime, parseDuration, parseTime, uuidV7Time } from './time.ts'

test.each([
  ['2026-01-01T10:00:00Z', Date.UTC(2026, 0, 1, 10)],
  ['2026-01-01T10:00:00.123456789Z', Date.UTC(2026, 0, 1, 10, 0, 0, 123)],
  ['2026-01-01T12:00:00+02:00', Date.UTC(2026, 0, 1, 10)],
  ['2026-01-01t04:30:00-05:30', Date.UTC(2026, 0, 1, 10)],
  ['2024-02-29T00:00:00Z', Date.UTC(2024, 1, 29)],
])('the time %s is read', (text, expected) => expect(parseTime(text)).toBe(expected))

test.each([
  '2026-01-01',
  '2026-02-30T00:00:00Z',
  '2026-01-01T24:00:00Z',
  '2026-01-01T10:00:00',
  'now',
  '',
  '2026-13-01T00:00:00Z',
])('the time %j is refused', (text) => expect(parseTime(text)).toBeNull())

test.each([
  ['PT1S', 1_000],
  ['PT60S', 60_000],
  ['PT1M', 60_000],
  ['PT1H30M', 5_400_000],
  ['P1D', 86_400_000],
  ['P1W', 604_800_000],
  ['PT0.5S', 500],
])('the duration %s is read', (text, expected) => expect(parseDuration(text)).toBe(expected))

test.each(['P', 'PT', '1M', 'PT1', 'P1M', 'P1Y', 'PT-1S', 'pt1s'])('the duration %j is refused', (text) =>
  expect(parseDuration(text)).toBeNull(),
)

test('a time is written as Date does, whatever was written before', () => {
  const days = fc.oneof(fc.constantFrom(0, 20_454, 20_455), fc.integer({ min: -800_000, max: 3_000_000 }))
  const day = days.map((one) => one * 86_400_000)
  const beside = fc.constantFrom(-1, 0, 1, 59_999, 60_000, 3_599_999, 86_399_999)
  const ms = fc.oneof(
    fc.date({ noInvalidDate: true }).map((date) => date.getTime()),
    fc.integer({ min: 0, max: 253_402_300_799_999 }),
    fc.tuple(day, beside).map(([at, more]) => at + more),
    fc.double({ min: -1e6, max: 1e15, noNaN: true }),
  )
  const inTurn = fc.array(ms, { maxLength: 10 })
  fc.assert(
    fc.property(inTurn, (all) => {
      expect(all.map(formatTime)).toEqual(all.map((one) => new Date(one).toISOString()))
    }),
    { examples: [[[0, 86_400_000, 0]]] },
  )
  expect(() => formatTime(Number.NaN)).toThrow(RangeError)
  expect(() => formatTime(8.64e15 + 1)).toThrow(RangeError)
})

test('durations of equal length are written alike', () => {
  expect(formatDuration(60_000)).toBe('PT1M')
  expect(formatDuration(3_600_000)).toBe('PT1H')
  expect(formatDuration(90_500)).toBe('PT1M30.5S')
  expect(formatDuration(86_400_000)).toBe('PT24H')
})

test('a UUIDv7 tells its time, any other id does not', () => {
  // RFC 9562, appendix A.6.
  expect(uuidV7Time('017F22E2-79B0-7CC3-98C4-DC0C0C07398F')).toBe(Date.UTC(2022, 1, 22, 19, 22, 22))
  expect(uuidV7Time('017F22E2-79B0-4CC3-98C4-DC0C0C07398F')).toBeNull()
  expect(uuidV7Time('order-1')).toBeNull()
})

test('the short way reads as the long one does', () => {
  const instant = fc.date({
    min: new Date('1970-01-01T00:00:00Z'),
    max: new Date('9999-12-31T00:00:00Z'),
    noInvalidDate: true,
  })
  fc.assert(
    fc.property(instant, (date) => {
      const text = date.toISOString()
      expect(parseTime(text)).toBe(date.getTime())
      expect(parseTime(text.replace('Z', '+00:00'))).toBe(date.getTime())
    }),
  )
})
