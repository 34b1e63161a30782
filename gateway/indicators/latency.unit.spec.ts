import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createLatency, p99 } from './latency.ts'

test('the P99 is the value that 99 of 100 do not exceed', () => {
  expect(p99([])).toBe(null)
  expect(p99([3, 1, 2])).toBe(3)
  const hundred = Array.from({ length: 100 }, (_, i) => i + 1)
  expect(p99(hundred)).toBe(99)
  expect(p99(Array.from({ length: 300 }, (_, i) => 300 - i))).toBe(297)
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 1_000 }), { minLength: 1 }), (values) => {
      const result = p99(values)!
      const above = values.filter((value) => value > result).length
      const atLeast = values.filter((value) => value >= result).length
      expect(above).toBeLessThanOrEqual(values.length / 100)
      expect(atLeast).toBeGreaterThan(values.length / 100)
    }),
  )
})

test('what is under way counts with the time that it has taken so far', () => {
  let now = 0
  const latency = createLatency(() => now)
  expect(latency.p99([])).toBe(null)
  expect(latency.p99([0.1])).toBe(0.1)
  for (let i = 0; i < 100; i++) latency.observe(0.2)
  expect(latency.p99([])).toBe(0.2)
  // One in a hundred and one is the 100th value; with the second one more than a hundredth waits.
  now = 10_000
  expect(latency.p99([10])).toBe(0.2)
  expect(latency.p99([10, 9])).toBe(9)
  expect(latency.p99([70, 69])).toBe(69)
})

test('what was measured more than five minutes ago counts no longer', () => {
  let now = 0
  const latency = createLatency(() => now)
  latency.observe(60)
  now = 200_000
  latency.observe(0.1)
  expect(latency.p99([])).toBe(60)
  now = 300_000
  expect(latency.p99([])).toBe(60)
  now = 300_001
  expect(latency.p99([])).toBe(0.1)
  now = 500_001
  expect(latency.p99([])).toBe(null)
})
