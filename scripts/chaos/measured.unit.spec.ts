import { describe, expect, it, test } from 'vitest'
import type { Value } from './book.ts'
import type { MeasureInput } from './definitions.ts'
import { createMeasured, type Said } from './measured.ts'

const judge = (measure: MeasureInput, values: readonly (Value | undefined)[], said: Said) => {
  const measured = createMeasured(measure)
  for (const value of values) measured.add(value)
  return measured.judge(said)
}
const value = (one: number | null): Said => ({ value: one, detail: null })

test.each<[string, MeasureInput, (Value | undefined)[], number | null]>([
  ['a count counts events', { count: true }, [undefined, undefined], 2],
  ['a sum leaves out what is no number', { sum: 'a' }, [1, '2', null, undefined], 1],
  ['a sum of nothing is null', { sum: 'a' }, ['2'], null],
  ['a sum of decimals is exact', { sum: 'a' }, [0.1, 0.2], 0.3],
  ['a sum of integers beyond 2^53 is the nearest double', { sum: 'a' }, [2 ** 53, 1, 1], 2 ** 53 + 2],
  ['a mean is that of what was measured', { avg: 'a' }, [1, 2, undefined], 1.5],
  ['uniques count a value once', { uniques: 'a' }, ['x', 'x', 'y', null], 2],
])('%s', (_, measure, values, expected) => {
  expect(judge(measure, values, value(expected))).toBeNull()
  expect(judge(measure, values, value((expected ?? 0) + 1))).toContain(String(expected))
})

it('a mean is told to 15 digits', () => {
  expect(judge({ avg: 'a' }, [1, 1, 0], value(0.666666666666667))).toBeNull()
  expect(judge({ avg: 'a' }, [1, 1, 0], value(0.66666666666668))).not.toBeNull()
  expect(judge({ avg: 'a' }, ['x'], value(0))).not.toBeNull()
})

it('uniques may be off by 2 % where there are more than a thousand', () => {
  const many = (count: number) => Array.from({ length: count }, (_, i) => `v${i}`)
  expect(judge({ uniques: 'a' }, many(1_000), value(999))).not.toBeNull()
  expect(judge({ uniques: 'a' }, many(2_000), value(1_961))).toBeNull()
  expect(judge({ uniques: 'a' }, many(2_000), value(1_959))).not.toBeNull()
})

it('quantiles may be off by 1 % of the value at their rank', () => {
  const hundred = Array.from({ length: 101 }, (_, i) => i)
  const said = (p50: number): Said => ({ value: null, detail: { p50, p90: 90, p99: 99 } })
  expect(judge({ quantiles: 'a' }, hundred, said(50.4))).toBeNull()
  expect(judge({ quantiles: 'a' }, hundred, said(51))).not.toBeNull()
  expect(judge({ quantiles: 'a' }, ['x'], { value: null, detail: null })).toBeNull()
  expect(judge({ quantiles: 'a' }, [1], { value: null, detail: null })).not.toBeNull()
})

describe('the heaviest values', () => {
  const values = ['a', 'a', 'a', 'b', 'b', 'c']
  const said = (...list: [string, number, number][]): Said => ({
    value: null,
    detail: list.map(([one, count, error]) => ({ value: one, count, error })),
  })
  const top = (...list: [string, number, number][]) => judge({ topK: { of: 'x', k: 2 } }, values, said(...list))

  it('are those, in their order, with a count that is within its error', () => {
    expect(top(['a', 3, 0], ['b', 2, 0])).toBeNull()
    expect(top(['a', 2, 1], ['b', 1, 1])).toBeNull()
  })

  it('are wrong where a count is not within its error, one is left out, or the order is another', () => {
    expect(top(['a', 4, 0], ['b', 2, 0])).toContain('3 of a')
    expect(top(['a', 1, 1], ['b', 1, 1])).toContain('3 of a')
    expect(top(['a', 3, 0], ['c', 1, 0])).toContain('2 of b')
    expect(top(['b', 2, 0], ['a', 3, 0])).toContain('order')
    expect(top()).not.toBeNull()
  })
})
