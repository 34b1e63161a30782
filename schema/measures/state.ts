import { addExact, type ExactSum, mergeExact } from './exact-sum.ts'
import { type HeavyHitters, mergeHitters, newHitters, trimHitters } from './heavy-hitters.ts'
import { mergeWeights, type WeightsBy } from './tally.ts'
import { forgetNames, mergeUniques, newUniques, type Uniques } from './uniques.ts'

/**
 * Mergeable state of a measure. Which fields are there depends on the kind: all count n and shed; SUM and AVG have sum,
 * MIN, MAX and QUANTILES range, UNIQUES, QUANTILES and TOPK a sketch. A delta has the same shape as a total: merging
 * deltas in any order and split gives the total, field by field. There may be a million states, most of them COUNT: what a
 * kind does not need is null.
 */
export interface MeasureState {
  /** Sum of the weights of the events that had a value. */
  n: number
  /** Of n, what stands for events that were shed: n - shed events had a value. */
  shed: number
  sum: ExactSum | null
  range: { min: number; max: number } | null
  sketch: Sketch | null
}

export interface Sketch {
  uniques: Uniques | null
  /** Weights of values by bucket, see quantiles.ts. */
  buckets: WeightsBy<number> | null
  top: HeavyHitters | null
}

export const emptyState = (): MeasureState => ({ n: 0, shed: 0, sum: null, range: null, sketch: null })

export const sketchOf = (state: MeasureState): Sketch => {
  state.sketch ??= { uniques: null, buckets: null, top: null }
  return state.sketch
}

/** About how many numbers and words a sketch holds: what it costs to write it. */
export const sketchSize = ({ sketch }: MeasureState): number => {
  if (!sketch) return 0
  const { uniques, buckets, top } = sketch
  return (uniques?.members.size ?? 0) + (uniques?.registers?.size ?? 0) + (buckets?.size ?? 0) + (top?.counts.size ?? 0)
}

export const widenRange = (state: MeasureState, min: number, max: number): void => {
  if (!state.range) state.range = { min, max }
  else {
    if (min < state.range.min) state.range.min = min
    if (max > state.range.max) state.range.max = max
  }
}

export const addToSum = (state: MeasureState, value: number): void => {
  if (state.sum) addExact(state.sum, value)
  else state.sum = { sum: value, comp: 0 }
}

const mergeSketch = (state: MeasureState, { uniques, buckets, top }: Sketch): void => {
  const into = sketchOf(state)
  if (uniques) {
    into.uniques ??= newUniques()
    mergeUniques(into.uniques, uniques)
  }
  if (buckets) {
    into.buckets ??= new Map()
    mergeWeights(into.buckets, buckets)
  }
  if (top) {
    into.top ??= newHitters()
    mergeHitters(into.top, top)
  }
}

/** A state that is only read and merged from now on, made smaller where it can be. Its value stays the same. */
export const compactState = ({ sketch }: MeasureState): void => {
  if (sketch?.uniques) forgetNames(sketch.uniques)
}

/**
 * Makes what was merged from several as small as what was added up, so that its row fits a message again. Only for who
 * alone holds the state and says it as a whole: the counts of topK become less exact, and say by how much.
 */
export const trimState = (state: MeasureState): void => {
  compactState(state)
  if (state.sketch?.top) trimHitters(state.sketch.top)
}

/** Merges `from` into `into`. The same for every kind: an empty field is the neutral element. */
export const mergeState = (into: MeasureState, from: MeasureState): void => {
  into.n += from.n
  into.shed += from.shed
  if (from.sum) {
    if (into.sum) mergeExact(into.sum, from.sum)
    else into.sum = { ...from.sum }
  }
  if (from.range) widenRange(into, from.range.min, from.range.max)
  if (from.sketch) mergeSketch(into, from.sketch)
}
