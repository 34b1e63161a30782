import { type MeasureState, measureOf } from '#schema/measures.ts'
import type { MeasureSpec } from '#schema/metric.ts'
import { compareText } from '#schema/text-order.ts'

/** What nobody has counted. */
export const UNKNOWN: { measure: MeasureSpec; values: readonly unknown[] } = { measure: { kind: 'COUNT' }, values: [] }

/** To the digits that a double holds of any decimal: the order of adding must not show. */
const rounded = (value: number): number => Number(value.toPrecision(15))
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)

/** Of n values in order that at p * (n - 1), rounded down. */
const quantile = (numbers: readonly number[], p: number): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(p * (numbers.length - 1))]

const heaviest = (values: readonly unknown[], k: number): unknown[] => {
  const counts = Object.entries(Object.groupBy(values, String)).map(([value, all = []]) => [value, all.length] as const)
  return counts
    .sort(([a, one], [b, other]) => other - one || compareText(a, b))
    .slice(0, k)
    .map(([value, count]) => ({ value, count, error: 0 }))
}

/** What a measure says of values, by its plain meaning. `values`: of all events, measured or not. */
const expected = ({ kind, k = 10 }: MeasureSpec, values: readonly unknown[]): unknown => {
  const numbers = values.filter((value) => typeof value === 'number')
  if (kind === 'COUNT') return values.length
  if (kind === 'UNIQUES') return new Set(values).size
  if (kind === 'TOPK')
    return heaviest(
      values.filter((value) => value !== undefined),
      k,
    )
  if (numbers.length === 0) return null
  switch (kind) {
    case 'SUM':
      return rounded(sum(numbers))
    case 'AVG':
      return rounded(sum(numbers) / numbers.length)
    case 'MIN':
      return Math.min(...numbers)
    case 'MAX':
      return Math.max(...numbers)
    case 'QUANTILES':
      return { p50: quantile(numbers, 0.5), p90: quantile(numbers, 0.9), p99: quantile(numbers, 0.99) }
  }
}

export const expectedValue = (measure: MeasureSpec, values: readonly unknown[]): string =>
  JSON.stringify(expected(measure, values))

const isWithin = (found: number, exact: number): boolean => Math.abs(found - exact) <= 0.01 * Math.abs(exact)

/** What a reader is told; quantiles that are as near to those of `values` as is promised are those. */
export const foundValue = (measure: MeasureSpec, state: MeasureState, values: readonly unknown[]): string => {
  const { value, detail } = measureOf(measure)
  const found = detail(state) ?? value(state)
  if (measure.kind !== 'QUANTILES' || found === null) return JSON.stringify(found)
  const [near, exact] = [found, expected(measure, values)] as Record<string, number>[]
  const isNear = exact && Object.keys(exact).every((name) => isWithin(near[name], exact[name]))
  return JSON.stringify(isNear ? exact : found)
}
