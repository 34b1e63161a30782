import type { Value } from './book.ts'
import type { MeasureInput } from './definitions.ts'

/** What a point says of its measure. */
export interface Said {
  value: number | null
  detail?: unknown
}

/** What a measure has to say of the values that it was given. */
export interface Measured {
  add(value: Value | undefined): void
  /** Null when what was said is right, else what should have been. */
  judge(said: Said): string | null
}

interface TopValue {
  value: string
  count: number
  error: number
}

/** A unit of the last of 15 digits, as a share. */
const ROUNDING = 1e-14
/** Decimals have no more places than this. */
const PLACES = 3

/** Distinct values up to which uniques are exact, and by how much they may be off beyond (docs/semantics.md). */
const EXACT_UNIQUES = 1_000
const UNIQUES_ERROR = 0.02
const QUANTILE_ERROR = 0.01
const QUANTILES = { p50: 0.5, p90: 0.9, p99: 0.99 } as const

const valueIs = (expected: number | null, { value }: Said): string | null =>
  value === expected ? null : String(expected)

const count = (): Measured => {
  let events = 0
  return {
    add: () => void events++,
    judge: (said) => valueIs(events, said),
  }
}

/** The exact sum in thousandths: no double has rounded it. */
const thousandths = (value: number): bigint =>
  Number.isInteger(value) ? BigInt(value) * 1_000n : BigInt(Math.round(value * 1_000))

const createSum = () => {
  let total = 0n
  let n = 0
  return {
    add: (value: Value | undefined) => {
      if (typeof value !== 'number') return
      total += thousandths(value)
      n++
    },
    n: () => n,
    /** The nearest double. */
    total: () => Number(`${total / 1_000n}.${String(total % 1_000n).padStart(PLACES, '0')}`),
  }
}

const sum = (): Measured => {
  const { add, n, total } = createSum()
  return { add, judge: (said) => valueIs(n() === 0 ? null : total(), said) }
}

/** A quotient is told to 15 digits. */
const avg = (): Measured => {
  const { add, n, total } = createSum()
  const judge = ({ value }: Said): string | null => {
    if (value === null || n() === 0) return valueIs(n() === 0 ? null : total() / n(), { value })
    const expected = total() / n()
    return Math.abs(value - expected) <= Math.abs(expected) * ROUNDING ? null : String(expected)
  }
  return { add, judge }
}

const uniques = (): Measured => {
  const values = new Set<Value>()
  return {
    add: (value) => {
      if (value !== undefined && value !== null) values.add(value)
    },
    judge: (said) => {
      const { size } = values
      if (size <= EXACT_UNIQUES) return valueIs(size, said)
      return Math.abs((said.value ?? 0) - size) <= size * UNIQUES_ERROR ? null : `${size} within 2 %`
    },
  }
}

/** Of n values in order the p-quantile is that at p (n - 1), rounded down (docs/semantics.md). */
const quantiles = (): Measured => {
  const values: number[] = []
  return {
    add: (value) => {
      if (typeof value === 'number') values.push(value)
    },
    judge: ({ value, detail }) => {
      const sorted = Float64Array.from(values).sort()
      const exact = Object.entries(QUANTILES).map(([name, p]): [string, number] => [
        name,
        sorted[Math.floor(p * (sorted.length - 1))],
      ])
      const told = detail as Record<string, number> | null
      const isClose = ([name, one]: [string, number]): boolean =>
        Math.abs((told?.[name] ?? Number.NaN) - one) <= Math.abs(one) * QUANTILE_ERROR
      const isRight = values.length === 0 ? told === null : exact.every(isClose)
      return value === null && isRight ? null : `${JSON.stringify(Object.fromEntries(exact))} within 1 %`
    },
  }
}

const topK = (k: number): Measured => {
  const counts = new Map<string, number>()
  const judgeList = (list: readonly TopValue[]): string | null => {
    for (const { value, count: told, error } of list) {
      const truth = counts.get(value) ?? 0
      if (told > truth || told + error < truth) return `${truth} of ${value}, and not ${told} to ${told + error}`
    }
    const inOrder = [...counts].sort(([a, one], [b, other]) => other - one || (a < b ? -1 : 1))
    const listed = new Set(list.map(({ value }) => value))
    const [{ count: least = 0, error = 0 } = {}] = list.slice(-1)
    const missing = inOrder.slice(0, k).find(([value, truth]) => !listed.has(value) && truth > least + error)
    if (missing) return `${missing[1]} of ${missing[0]}`
    const isExact = error === 0 && inOrder.length > 0
    const first = inOrder.slice(0, k).map(([value]) => value)
    return isExact && first.join() !== [...listed].join() ? `the order ${first.join()}` : null
  }
  return {
    add: (value) => {
      if (value !== undefined && value !== null) counts.set(String(value), (counts.get(String(value)) ?? 0) + 1)
    },
    judge: ({ value, detail }) => {
      if (value !== null || !Array.isArray(detail)) return 'a list'
      return judgeList(detail as TopValue[])
    },
  }
}

/** The field that a measure reads; undefined of a count. */
export const measuredField = (measure: MeasureInput): string | undefined => {
  if ('count' in measure) return undefined
  return 'topK' in measure ? measure.topK.of : Object.values(measure)[0]
}

/** A measure that has seen nothing yet: exact where the product may estimate. */
export const createMeasured = (measure: MeasureInput): Measured => {
  if ('count' in measure) return count()
  if ('sum' in measure) return sum()
  if ('avg' in measure) return avg()
  if ('uniques' in measure) return uniques()
  return 'quantiles' in measure ? quantiles() : topK(measure.topK.k)
}
