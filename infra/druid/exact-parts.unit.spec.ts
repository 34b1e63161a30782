import fc from 'fast-check'
import { expect, it } from 'vitest'
import { addExact, exactValue } from '#schema/measures/exact-sum.ts'
import { exactParts, fromParts } from './exact-parts.ts'

const cents = fc.integer({ min: -100_000_000_000, max: 100_000_000_000 }).map((n) => n / 100)
const whole = fc.bigInt(-(2n ** 53n), 2n ** 53n).map(Number)

/** As Druid adds: one double to the other. */
const added = (sums: readonly { sum: number; comp: number }[]) => {
  const parts = sums.map(exactParts)
  const sumOf = (name: 'high' | 'low' | 'part') => parts.reduce((total, one) => total + one[name], 0)
  return exactValue(fromParts({ high: sumOf('high'), low: sumOf('low'), part: sumOf('part') }))
}
const exact = (values: readonly number[]) => {
  const sum = { sum: 0, comp: 0 }
  for (const value of values) addExact(sum, value)
  return sum
}

it('sums of whole numbers in parts lose nothing, whatever cancels out', () => {
  fc.assert(
    fc.property(fc.array(whole, { maxLength: 300 }), (values) => {
      const sums = values.map((value) => exact([value, value, 1]))
      expect(added(sums)).toBe(exactValue(exact(values.flatMap((value) => [value, value, 1]))))
    }),
  )
})

it('sums of money in parts are right to the cent', () => {
  fc.assert(
    fc.property(fc.array(cents, { maxLength: 300 }), (values) => {
      const sum = exactValue(exact(values))
      expect(Math.abs(added(values.map((value) => exact([value]))) - sum)).toBeLessThan(1e-6 + Math.abs(sum) * 2 ** -52)
    }),
  )
})
