import fc from 'fast-check'
import { expect, it } from 'vitest'
import { measureOf } from '../measures.ts'
import { bucketOf, bucketValue, MOST, QUANTILES, type Quantiles } from './quantiles.ts'
import { deltasOf, merged, stateOf } from './testing.ts'

const measure = measureOf({ kind: 'QUANTILES', field: 'a' })
const quantiles = (values: readonly unknown[]): Quantiles => measure.detail(stateOf(measure, values)) as Quantiles

/** Of values in order, that at p * (n - 1), rounded down. */
const exactly = (values: readonly number[], quantile: number): number =>
  values.toSorted((a, b) => a - b)[Math.floor(quantile * (values.length - 1))]

const size = fc.double({ min: 1e-12, max: MOST, noNaN: true })
const covered = fc.oneof(
  size,
  size.map((one) => -one),
  fc.integer(),
  fc.constantFrom(0, 1, -1, 1e-12, MOST, -MOST),
)

it('are within 1 % of the exact ones, whatever the values', () => {
  const lists = fc.array(covered, { minLength: 1, maxLength: 300, size: 'max' })
  fc.assert(
    fc.property(lists, (values) => {
      const found = quantiles(values)
      for (const [name, p] of Object.entries(QUANTILES)) {
        const exact = exactly(values, p)
        expect(Math.abs(found[name as keyof Quantiles] - exact)).toBeLessThanOrEqual(Math.abs(exact) * 0.01)
      }
    }),
  )
})

it('of every bucket are within 1 % of its least and its greatest value, and in order', () => {
  const wrong: number[] = []
  let before = 0
  for (let value = 1e-12; value < MOST; value *= 1.0003) {
    const shown = bucketValue(bucketOf(value))
    const isClose = Math.abs(shown - value) <= value * 0.01
    if (!isClose || shown < before || bucketValue(bucketOf(-value)) !== -shown) wrong.push(value)
    before = shown
  }
  expect(wrong).toEqual([])
})

it('are what was measured where that is one value, and never outside of what was', () => {
  expect(quantiles([123.456])).toEqual({ p50: 123.456, p90: 123.456, p99: 123.456 })
  expect(quantiles([7, 7, 7])).toEqual({ p50: 7, p90: 7, p99: 7 })
  expect(quantiles([-5, 0, 5])).toEqual({ p50: 0, p90: expect.closeTo(0), p99: 0 })
})

it('count what is very small as 0, and leave out what is very large or no number', () => {
  expect(quantiles([1e-13, -1e-13])).toMatchObject({ p50: 0, p99: 0 })
  expect(measure.value(stateOf(measure, [1]))).toBeNull()
  expect(measure.detail(stateOf(measure, [1e31, '5', null, {}]))).toBeNull()
})

it('take a value of weight 3 three times', () => {
  const events = [
    { value: 1, weight: 1 },
    { value: 100, weight: 3 },
  ]
  expect(measure.detail(merged(deltasOf(measure, [events])))).toMatchObject(quantiles([1, 100, 100, 100]))
})

it('a delta has only the buckets that changed', () => {
  const [, second] = deltasOf(measure, [
    [1, 10, 100].map((value) => ({ value, weight: 1 })),
    [{ value: 10, weight: 1 }],
  ])
  expect(second).toEqual({ n: 1, min: 10, max: 10, buckets: [[bucketOf(10), 1]] })
})
