import { memberHash } from './hash.ts'
import { MOST_SUMMED } from './limits.ts'
import { exactValue } from './measures/exact-sum.ts'
import { addHit, heaviest, newHitters, type TopValue } from './measures/heavy-hitters.ts'
import { bucketOf, MOST, type Quantiles, quantilesOf } from './measures/quantiles.ts'
import { addToSum, emptyState, type MeasureState, sketchOf, widenRange } from './measures/state.ts'
import { addWeight } from './measures/tally.ts'
import { addMember, countUniques, newUniques } from './measures/uniques.ts'
import { DEFAULT_K, type MeasureKind, type MeasureSpec } from './metric.ts'
import { shortText } from './short-text.ts'

export { compactState, type MeasureState, mergeState, sketchSize, trimState } from './measures/state.ts'
export { type MeasureJson, mergeJson, stateFromJson, stateToJson } from './measures/state-json.ts'

/** What a measure has read of an event; undefined where there is nothing to measure. */
export type Measured = number | string | undefined

/** Of quantiles and topK: what one number cannot say. */
export type MeasureDetail = Quantiles | TopValue[] | null

export interface Measure {
  readonly kind: MeasureKind
  /** Whether `add` looks at the total. Any other measure needs none to be kept beside its deltas. */
  readonly asksTotal: boolean
  empty(): MeasureState
  /** What of an event's value is measured. All that can go wrong does so here. */
  read(value: unknown): Measured
  /**
   * Adds what was read to a delta; `total` is what was there before, so that a delta carries only what is new. `weight`:
   * how many events this one stands for (see exactWeight); below 0, events that are taken back.
   */
  add(delta: MeasureState, read: Measured, weight: number, total: MeasureState): void
  /** Null where nothing was measured, and where `detail` says what was. */
  value(state: MeasureState): number | null
  detail(state: MeasureState): MeasureDetail
}

/** Share of the events that were kept under load shedding, as far as they had a value. */
export const keptShare = ({ n, shed }: MeasureState): number => (n > 0 ? Math.min(1, (n - shed) / n) : 1)

const count = (delta: MeasureState, weight: number): void => {
  delta.n += weight
  if (weight !== 1) delta.shed += weight - Math.sign(weight)
}

/** A number within ±`most`; anything else is not measured. */
const numberUpTo =
  (most: number) =>
  (value: unknown): Measured =>
    typeof value === 'number' && Math.abs(value) <= most ? value : undefined

/**
 * Decimals depend on the order of adding in their last digits, and live view, store and partitions add in different
 * orders. 15 digits are what a double holds of any decimal; integers it holds as they are.
 */
const stable = (value: number): number => (Number.isInteger(value) ? value : Number(value.toPrecision(15)))

const base = { asksTotal: false, empty: emptyState, value: () => null, detail: () => null }

const sumMeasure = (kind: MeasureKind, value: (sum: number, n: number) => number): Measure => ({
  ...base,
  kind,
  read: numberUpTo(MOST_SUMMED),
  add(delta, read, weight) {
    if (typeof read !== 'number') return
    count(delta, weight)
    addToSum(delta, read * weight)
  },
  value: ({ n, sum }) => (n === 0 ? null : stable(value(sum ? exactValue(sum) : 0, n))),
})

const rangeMeasure = (kind: 'MIN' | 'MAX'): Measure => ({
  ...base,
  kind,
  read: numberUpTo(Number.MAX_VALUE),
  add(delta, read, weight) {
    if (typeof read !== 'number') return
    count(delta, weight)
    if (kind === 'MIN') widenRange(delta, read, Number.NEGATIVE_INFINITY)
    else widenRange(delta, Number.POSITIVE_INFINITY, read)
  },
  value: ({ n, range }) => (n === 0 || !range ? null : kind === 'MIN' ? range.min : range.max),
})

const COUNT: Measure = {
  ...base,
  kind: 'COUNT',
  read: () => undefined,
  add: (delta, _read, weight) => count(delta, weight),
  value: ({ n }) => n,
}

const UNIQUES: Measure = {
  ...base,
  kind: 'UNIQUES',
  asksTotal: true,
  read: (value) =>
    value === undefined || value === null
      ? undefined
      : memberHash(typeof value === 'string' ? value : JSON.stringify(value)),
  add(delta, read, weight, total) {
    if (typeof read !== 'number') return
    count(delta, weight)
    const sketch = sketchOf(delta)
    sketch.uniques ??= newUniques()
    addMember(sketch.uniques, read, total.sketch?.uniques ?? null)
  },
  value: ({ sketch }) => (sketch?.uniques ? countUniques(sketch.uniques) : 0),
}

const QUANTILES: Measure = {
  ...base,
  kind: 'QUANTILES',
  read: numberUpTo(MOST),
  add(delta, read, weight) {
    if (typeof read !== 'number') return
    count(delta, weight)
    widenRange(delta, read, read)
    const sketch = sketchOf(delta)
    sketch.buckets ??= new Map()
    addWeight(sketch.buckets, bucketOf(read), weight)
  },
  detail: ({ sketch, range }) => (sketch?.buckets?.size && range ? quantilesOf(sketch.buckets, range) : null),
}

const topK = (k: number): Measure => ({
  ...base,
  kind: 'TOPK',
  asksTotal: true,
  read: (value) => shortText(value) ?? undefined,
  add(delta, read, weight, total) {
    if (typeof read !== 'string') return
    count(delta, weight)
    const sketch = sketchOf(delta)
    sketch.top ??= newHitters()
    addHit(sketch.top, read, weight, total.sketch?.top ?? null)
  },
  detail: ({ sketch }) => (sketch?.top ? heaviest(sketch.top, k) : []),
})

const MEASURES: Record<Exclude<MeasureKind, 'TOPK'>, Measure> = {
  COUNT,
  SUM: sumMeasure('SUM', (sum) => sum),
  AVG: sumMeasure('AVG', (sum, n) => sum / n),
  MIN: rangeMeasure('MIN'),
  MAX: rangeMeasure('MAX'),
  UNIQUES,
  QUANTILES,
}

export const measureOf = ({ kind, k }: MeasureSpec): Measure =>
  kind === 'TOPK' ? topK(k ?? DEFAULT_K) : MEASURES[kind]
