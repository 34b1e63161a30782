import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { deltasOf, MEASURE_CASES, merged, stateOf, streams } from './measures/testing.ts'
import { keptShare, type MeasureJson, measureOf, mergeState, stateFromJson, stateToJson } from './measures.ts'

/** Sums of sums of deltas, each as it would be stored: by `picks`, in any order and grouping. */
const mergedAnyhow = (deltas: readonly MeasureJson[], picks: readonly number[]): MeasureJson => {
  const left = [...deltas]
  for (let i = 0; left.length > 1; i++) {
    const take = (): MeasureJson => left.splice(picks[i % picks.length] % left.length, 1)[0]
    const state = stateFromJson(take())
    mergeState(state, stateFromJson(take()))
    left.push(JSON.parse(JSON.stringify(stateToJson(state))))
  }
  return left[0] ?? {}
}

const sorted = (json: MeasureJson): MeasureJson => ({
  ...json,
  members: json.members?.toSorted((a, b) => a - b),
  registers: json.registers?.toSorted((a, b) => a - b),
  buckets: json.buckets?.toSorted(([a], [b]) => a - b),
  items: json.items?.toSorted(([a], [b]) => (a < b ? -1 : 1)),
})

describe.each(MEASURE_CASES)('%j', (spec, value, most) => {
  const measure = measureOf(spec)

  it('comes to the same in whatever order, grouping and split its deltas are merged', () => {
    fc.assert(
      fc.property(streams(value, most), fc.array(fc.nat(), { minLength: 3, maxLength: 20 }), (partitions, picks) => {
        const deltas = partitions.flatMap((checkpoints) => deltasOf(measure, checkpoints))
        const [one, other] = [merged(deltas), stateFromJson(mergedAnyhow(deltas, picks))]
        expect(measure.value(other)).toEqual(measure.value(one))
        expect(measure.detail(other)).toEqual(measure.detail(one))
        expect(keptShare(other)).toBe(keptShare(one))
        const [left, right] = [sorted(stateToJson(one)), sorted(stateToJson(other))]
        // The last bits of decimals are in what the rounding lost.
        if (spec.kind === 'SUM' || spec.kind === 'AVG') for (const json of [left, right]) delete json.comp
        expect(right).toEqual(left)
      }),
      { numRuns: most > 100 ? 30 : 100 },
    )
  })
})

describe('sums', () => {
  const sum = measureOf({ kind: 'SUM', field: 'a' })

  it('of integers are exact, also beyond what a double holds, whatever is added first', () => {
    const values = fc.array(fc.bigInt(-(2n ** 53n), 2n ** 53n), { minLength: 1, maxLength: 200 })
    fc.assert(
      fc.property(values, (integers) => {
        const exact = integers.reduce((total, one) => total + one, 0n)
        expect(sum.value(stateOf(sum, integers.map(Number)))).toBe(Number(exact))
      }),
    )
    expect(sum.value(stateOf(sum, [9_007_199_254_740_991, 2, -9_007_199_254_740_990]))).toBe(3)
    expect(sum.value(stateOf(sum, [1_234_567_890_123_456]))).toBe(1_234_567_890_123_456)
  })

  it('of decimals are what they are on paper, to 15 digits', () => {
    const cents = fc.array(fc.integer({ min: -1_000_000, max: 1_000_000 }), { minLength: 1, maxLength: 500 })
    fc.assert(
      fc.property(cents, (list) => {
        const total = list.reduce((all, one) => all + one, 0)
        expect(
          sum.value(
            stateOf(
              sum,
              list.map((one) => one / 100),
            ),
          ),
        ).toBeCloseTo(total / 100, 9)
      }),
    )
    expect(sum.value(stateOf(sum, [0.1, 0.2]))).toBe(0.3)
    expect(sum.value(stateOf(sum, [1e16, 0.1, -1e16]))).toBe(0.1)
  })

  it('take the weights of events, averages too, and leave out what is no number', () => {
    const avg = measureOf({ kind: 'AVG', field: 'a' })
    const events = [
      { value: 10, weight: 4 },
      { value: 4, weight: 1 },
      { value: '7', weight: 1 },
      { value: null, weight: 1 },
    ]
    expect(sum.value(merged(deltasOf(sum, [events])))).toBe(44)
    expect(avg.value(merged(deltasOf(avg, [events])))).toBe(44 / 5)
    expect(sum.value(stateOf(sum, ['7', {}, 1e291]))).toBeNull()
  })

  it('of a state from before there was a rest are read', () => {
    expect(sum.value(stateFromJson({ n: 2, sum: 7 }))).toBe(7)
    expect(measureOf({ kind: 'MIN', field: 'a' }).value(stateFromJson({ n: 2, min: -3 }))).toBe(-3)
  })
})

describe('what load shedding left', () => {
  it('counts by its weight, and tells the share of events that were kept', () => {
    const count = measureOf({ kind: 'COUNT' })
    const state = merged(
      deltasOf(count, [
        [{ value: 1, weight: 4 }],
        [
          { value: 1, weight: 4 },
          { value: 1, weight: 1 },
        ],
      ]),
    )
    expect(count.value(state)).toBe(9)
    expect(keptShare(state)).toBe(3 / 9)
    expect(keptShare(count.empty())).toBe(1)
  })

  it('is exact in thirds as well: sums of weights are the same in whatever order', () => {
    const count = measureOf({ kind: 'COUNT' })
    const events = Array.from({ length: 3_000 }, (_, i) => ({ value: i, weight: [1 / 0.3, 1, 1 / 0.07][i % 3] }))
    const forth = merged(deltasOf(count, [events]))
    const back = merged(deltasOf(count, [events.toReversed()]))
    expect(back.n).toBe(forth.n)
    expect(forth.n / (1_000 / 0.3 + 1_000 + 1_000 / 0.07)).toBeCloseTo(1, 6)
  })

  it.each(['COUNT', 'SUM', 'QUANTILES', 'TOPK'] as const)('%s: what is taken back leaves nothing', (kind) => {
    const measure = measureOf({ kind, field: 'a' })
    const events = [
      { value: 0.1, weight: 1 / 0.3 },
      { value: 5, weight: 1 },
    ]
    const back = events.map(({ value, weight: one }) => ({ value, weight: -one }))
    const { min: _min, max: _max, ...left } = stateToJson(merged(deltasOf(measure, [events, back])))
    expect(left).toEqual({})
  })
})
