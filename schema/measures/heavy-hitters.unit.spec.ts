import fc from 'fast-check'
import { expect, it } from 'vitest'
import { memberHash } from '../hash.ts'
import { measureOf, stateToJson } from '../measures.ts'
import type { TopValue } from './heavy-hitters.ts'
import { deltasOf, merged, stateOf, type Weighed } from './testing.ts'
import { exactWeight } from './weight.ts'

const measure = measureOf({ kind: 'TOPK', field: 'a' })
const top = (values: readonly unknown[], k = 10): TopValue[] =>
  measureOf({ kind: 'TOPK', field: 'a', k }).detail(stateOf(measure, values)) as TopValue[]

it('are the k heaviest values, ties in the order of their text', () => {
  expect(top(['b', 'c', 'a', 'c', 'b', '\u{1f600}', '\uffff'], 4)).toEqual([
    { value: 'b', count: 2, error: 0 },
    { value: 'c', count: 2, error: 0 },
    { value: 'a', count: 1, error: 0 },
    { value: '\uffff', count: 1, error: 0 },
  ])
  expect(top([])).toEqual([])
  expect(measure.value(stateOf(measure, ['a']))).toBeNull()
})

it('count numbers, true and false as text, cut long text, and leave out objects and null', () => {
  const long = `${'x'.repeat(255)}\u{1f600}`
  expect(top([1, '1', true, null, undefined, {}, [], long]).map(({ value, count }) => [value, count])).toEqual([
    ['1', 2],
    ['true', 1],
    ['x'.repeat(255), 1],
  ])
})

const LONG = 'x'.repeat(250)
/** Few heavy values among very many light ones, all of them long. */
const skewed = (count: number, seed: number): string[] =>
  Array.from({ length: count }, (_, i) => {
    const die = memberHash(`${seed} ${i}`)
    return `${die % 3 === 0 ? `heavy ${die % 7}` : `light ${die % 1_009}`} ${LONG}`.slice(0, 256)
  })

it('of more values than fit are within the error that they tell, and the error is within its bound', () => {
  const streams = fc.record({
    seed: fc.nat(),
    count: fc.integer({ min: 1, max: 4_000 }),
    partitions: fc.integer({ min: 1, max: 3 }),
    checkpoint: fc.integer({ min: 1, max: 700 }),
    weights: fc.array(fc.constantFrom(1, 1, 2, 1 / 0.3), { minLength: 1, maxLength: 7 }),
  })
  let pruned = 0
  fc.assert(
    fc.property(streams, ({ seed, count, partitions, checkpoint, weights }) => {
      const events: Weighed[] = skewed(count, seed).map((value, i) => ({ value, weight: weights[i % weights.length] }))
      const parts = Array.from({ length: partitions }, (_, p) => events.filter((__, i) => i % partitions === p))
      const deltas = parts.flatMap((part) =>
        deltasOf(
          measure,
          Array.from({ length: Math.ceil(part.length / checkpoint) }, (_, c) =>
            part.slice(c * checkpoint, (c + 1) * checkpoint),
          ),
        ),
      )
      const truth = new Map<unknown, number>()
      let total = 0
      for (const { value, weight } of events) {
        truth.set(value, (truth.get(value) ?? 0) + exactWeight(weight))
        total += exactWeight(weight)
      }
      const state = merged(deltas)
      const all = measureOf({ kind: 'TOPK', field: 'a', k: 100_000 }).detail(state) as TopValue[]
      const error = state.sketch?.top?.error ?? 0
      if (error > 0) pruned++
      for (const [value, exact] of truth) {
        const { count: found } = all.find((one) => one.value === value) ?? { count: 0 }
        expect(found).toBeLessThanOrEqual(exact)
        expect(found + error).toBeGreaterThanOrEqual(exact)
      }
      // Each time at least 147 values of this length and one more lose as much.
      expect(error * 148).toBeLessThanOrEqual(total)
      // A row fits a message, were each character to take six bytes.
      for (const delta of deltas) expect(JSON.stringify(delta).length).toBeLessThan(170_000)
      if (partitions === 1) expect(JSON.stringify(stateToJson(state)).length).toBeLessThan(85_000)
    }),
    { numRuns: 40 },
  )
  expect(pruned).toBeGreaterThan(5)
})

it('are exact as long as a partition has room for all', () => {
  const values = Array.from({ length: 3_000 }, (_, i) => `/${i % 1_500}`)
  const list = top(values, 100)
  expect(list).toHaveLength(100)
  expect(list.every(({ count, error }) => count === 2 && error === 0)).toBe(true)
})

it('a fold that begins in the middle of a window keeps what is told within its error', () => {
  const values = skewed(6_000, 1).map((value) => ({ value, weight: 1 }))
  const [first, second, third] = deltasOf(measure, [
    values.slice(0, 2_000),
    values.slice(2_000, 4_000),
    values.slice(4_000),
  ])
  const [anew] = deltasOf(measure, [values.slice(2_000, 4_000)])
  expect(anew).not.toEqual(second)
  const truth = new Map<unknown, number>()
  for (const { value } of values) truth.set(value, (truth.get(value) ?? 0) + 1)
  for (const { value, count, error } of measure.detail(merged([first, anew, third])) as TopValue[]) {
    expect(count).toBeLessThanOrEqual(truth.get(value)!)
    expect(count + error).toBeGreaterThanOrEqual(truth.get(value)!)
  }
})
