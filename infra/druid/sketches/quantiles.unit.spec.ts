import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bucketOf, MOST } from '#schema/measures/quantiles.ts'
import { decodeQuantiles, encodeQuantiles, QUANTILES_K } from './quantiles.ts'

const HALF = 0.5
const anyBucket = fc.oneof(
  fc.double({ min: -MOST, max: MOST, noNaN: true }).map(bucketOf),
  fc.integer({ min: -3, max: 3 }),
)
const weightOf = (buckets: Iterable<readonly [number, number]>): number =>
  [...buckets].reduce((sum, [, weight]) => sum + weight, 0)

/** The greatest difference of the two in the share of what lies at or below any bucket. */
const rankError = (of: Map<number, number>, than: Map<number, number>): number => {
  const [total, thanTotal] = [weightOf(of), weightOf(than)]
  let [most, here, there] = [0, 0, 0]
  for (const bucket of [...new Set([...of.keys(), ...than.keys()])].sort((a, b) => a - b)) {
    here += of.get(bucket) ?? 0
    there += than.get(bucket) ?? 0
    most = Math.max(most, Math.abs(here / total - there / thanTotal))
  }
  return most
}

const roundTrip = (weights: Map<number, number>, chance = HALF): Map<number, number> =>
  decodeQuantiles(encodeQuantiles(weights, chance) ?? '')

describe('a quantiles sketch', () => {
  it('keeps fewer than 2k values of whole weights as they are', () => {
    const few = fc.dictionary(anyBucket.map(String), fc.integer({ min: 1, max: 9 }), { minKeys: 1, maxKeys: 50 })
    fc.assert(
      fc.property(few, fc.double({ min: 0, max: 0.999, noNaN: true }), (dictionary, chance) => {
        const weights = new Map(Object.entries(dictionary).map(([bucket, weight]) => [Number(bucket), weight]))
        expect(roundTrip(weights, chance)).toEqual(new Map([...weights].sort(([a], [b]) => a - b)))
      }),
    )
  })

  it('has every rank to half of what one of its values stands for', () => {
    const many = fc.array(
      fc.tuple(fc.integer({ min: -900, max: 900 }), fc.double({ min: 0.1, max: 5_000, noNaN: true })),
      {
        minLength: 1,
        maxLength: 600,
        size: 'max',
      },
    )
    fc.assert(
      fc.property(many, (pairs) => {
        const weights = new Map(pairs)
        if (weightOf(weights) < QUANTILES_K) return
        // A value covers at most n / k, and rounding n adds less than one.
        expect(rankError(weights, roundTrip(weights))).toBeLessThanOrEqual(
          1 / (2 * QUANTILES_K) + 1 / weightOf(weights),
        )
      }),
      { numRuns: 200 },
    )
  })

  it('of n values has n, whatever n', () => {
    for (const n of [1, 511, 512, 513, 1_024, 5_000, 123_457, 2 ** 40 + 1]) {
      expect(weightOf(roundTrip(new Map([[5, n]])))).toBe(n)
    }
  })

  it('rounds weights, and on average nothing', () => {
    const chances = Array.from({ length: 1_000 }, (_, i) => (i + 0.5) / 1_000)
    for (const weight of [0.25, 1, 3.3, 700.9]) {
      const sizes = chances.map((chance) => {
        const sketch = encodeQuantiles([[7, weight]], chance)
        return sketch ? weightOf(decodeQuantiles(sketch)) : 0
      })
      expect(sizes.reduce((sum, size) => sum + size, 0) / sizes.length).toBeCloseTo(weight, 2)
    }
  })

  it('of nothing is none', () => {
    expect(encodeQuantiles([], HALF)).toBeUndefined()
  })

  it.each([
    ['nothing', ''],
    ['text', Buffer.from('no sketch at all').toString('base64')],
    ['a cut one', (encodeQuantiles([[7, 30]], HALF) ?? '').slice(0, 80)],
    ['one that is not compact', Buffer.from([2, 3, 8, 0, 0, 1, 0, 0, 1, ...Array(600).fill(0)]).toString('base64')],
  ])('is told from %s', (_, base64) => {
    expect(() => decodeQuantiles(base64)).toThrow('expected a sketch that Druid made')
  })
})
