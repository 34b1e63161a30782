import fc from 'fast-check'
import { expect, test } from 'vitest'
import { heavyTenants } from './fair-share.ts'

const heavyOf = (rates: Record<string, number>, capacity: number): string[] =>
  heavyTenants(
    Object.entries(rates).map(([tenant, perSecond]) => ({ tenant, perSecond })),
    capacity,
  )
    .map(({ tenant }) => tenant)
    .sort()

test('who asks for less than an equal part of the capacity is not the cause', () => {
  expect(heavyOf({ flood: 3_000, small: 100 }, 1_000)).toEqual(['flood'])
  expect(heavyOf({ flood: 3_000, big: 600, small: 100 }, 1_000)).toEqual(['big', 'flood'])
  expect(heavyOf({ flood: 3_000, big: 440, small: 100 }, 1_000)).toEqual(['flood'])
  expect(heavyOf({ alone: 1_000 }, 1_000)).toEqual(['alone'])
  expect(heavyOf({ one: 400, two: 400 }, 1_000)).toEqual([])
  expect(heavyOf({}, 1_000)).toEqual([])
})

test('nobody below an equal part is ever heavy, somebody is when more comes than is taken, and without the heavy all fits', () => {
  const rates = fc.array(fc.integer({ min: 1, max: 100_000 }), { minLength: 1, maxLength: 20 })
  fc.assert(
    fc.property(rates, fc.integer({ min: 1, max: 1_000_000 }), (list, capacity) => {
      const all = list.map((perSecond, i) => ({ tenant: `t${i}`, perSecond }))
      const heavy = heavyTenants(all, capacity)
      const sum = list.reduce((a, b) => a + b, 0)
      const equal = capacity / list.length
      for (const { perSecond } of heavy) expect(perSecond).toBeGreaterThan(equal * 0.999)
      if (sum > capacity) expect(heavy).not.toEqual([])
      const light = sum - heavy.reduce((a, { perSecond }) => a + perSecond, 0)
      expect(light).toBeLessThanOrEqual(capacity)
    }),
  )
})
