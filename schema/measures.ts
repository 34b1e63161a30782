import { memberHash } from './hash.ts'
import { MOST_SUMMED } from './limits.ts'
import type { MeasureKind, MeasureSpec } from './metric.ts'

/**
 * Mergeable state of a measure. Which fields are there depends on the kind:
 * COUNT n · SUM n, sum · AVG n, sum · MIN n, min · MAX n, max · UNIQUES members.
 * `n` is the sum of the weights of the events that had a value. A delta has the same shape as a total: merging deltas
 * in any order and split gives the total.
 */
export interface MeasureState {
  n: number
  sum: number
  min: number
  max: number
  members: Set<number> | null
}

/** The same as it stands in JSON: absent fields are empty. */
export interface MeasureJson {
  n?: number
  sum?: number
  min?: number
  max?: number
  /** Members of a set of uniques (see memberHash). */
  members?: number[]
}

export interface Measure {
  readonly kind: MeasureKind
  empty(): MeasureState
  /** What of an event's value is measured, as a number; undefined when nothing is. All that can go wrong does so here. */
  read(value: unknown): number | undefined
  /** Adds what was read to a delta; `total` is what was there before, so that a delta carries only what is new. */
  add(delta: MeasureState, read: number | undefined, weight: number, total: MeasureState): void
  /** Null where nothing was measured. */
  value(state: MeasureState): number | null
}

const empty = (): MeasureState => ({
  n: 0,
  sum: 0,
  min: Number.POSITIVE_INFINITY,
  max: Number.NEGATIVE_INFINITY,
  members: null,
})

/** Merges `from` into `into`. The same for every kind: an empty field is the neutral element. */
export const mergeState = (into: MeasureState, from: MeasureState): void => {
  into.n += from.n
  into.sum += from.sum
  if (from.min < into.min) into.min = from.min
  if (from.max > into.max) into.max = from.max
  if (from.members) {
    into.members ??= new Set()
    for (const member of from.members) into.members.add(member)
  }
}

export const stateToJson = (state: MeasureState): MeasureJson => {
  const json: MeasureJson = {}
  if (state.n !== 0) json.n = state.n
  if (state.sum !== 0) json.sum = state.sum
  if (state.min !== Number.POSITIVE_INFINITY) json.min = state.min
  if (state.max !== Number.NEGATIVE_INFINITY) json.max = state.max
  if (state.members) json.members = [...state.members]
  return json
}

export const stateFromJson = (json: MeasureJson): MeasureState => ({
  n: json.n ?? 0,
  sum: json.sum ?? 0,
  min: json.min ?? Number.POSITIVE_INFINITY,
  max: json.max ?? Number.NEGATIVE_INFINITY,
  members: json.members ? new Set(json.members) : null,
})

/** A number within ±`most`; anything else is not measured. */
const numberUpTo =
  (most: number) =>
  (value: unknown): number | undefined =>
    typeof value === 'number' && Math.abs(value) <= most ? value : undefined

const numericMeasure = (
  kind: MeasureKind,
  most: number,
  apply: (delta: MeasureState, value: number, weight: number) => void,
  value: (state: MeasureState) => number,
): Measure => ({
  kind,
  empty,
  read: numberUpTo(most),
  add(delta, number, weight) {
    if (number === undefined) return
    delta.n += weight
    apply(delta, number, weight)
  },
  value: (state) => (state.n === 0 ? null : value(state)),
})

/**
 * Sums of decimals depend on the order of adding in their last digits, and live view, store and partitions add in
 * different orders. 15 digits are what a double holds of any decimal.
 */
const stable = (value: number): number => Number(value.toPrecision(15))

const addToSum = (delta: MeasureState, value: number, weight: number): void => {
  delta.sum += value * weight
}

const MEASURES: Record<MeasureKind, Measure> = {
  COUNT: {
    kind: 'COUNT',
    empty,
    read: () => undefined,
    add(delta, _read, weight) {
      delta.n += weight
    },
    value: (state) => state.n,
  },
  SUM: numericMeasure('SUM', MOST_SUMMED, addToSum, (state) => stable(state.sum)),
  AVG: numericMeasure('AVG', MOST_SUMMED, addToSum, (state) => stable(state.sum / state.n)),
  MIN: numericMeasure(
    'MIN',
    Number.MAX_VALUE,
    (delta, value) => {
      if (value < delta.min) delta.min = value
    },
    (state) => state.min,
  ),
  MAX: numericMeasure(
    'MAX',
    Number.MAX_VALUE,
    (delta, value) => {
      if (value > delta.max) delta.max = value
    },
    (state) => state.max,
  ),
  UNIQUES: {
    kind: 'UNIQUES',
    empty,
    read: (value) =>
      value === undefined || value === null
        ? undefined
        : memberHash(typeof value === 'string' ? value : JSON.stringify(value)),
    add(delta, member, _weight, total) {
      if (member === undefined || total.members?.has(member)) return
      delta.members ??= new Set()
      delta.members.add(member)
    },
    value: (state) => state.members?.size ?? 0,
  },
}

export const measureOf = (spec: MeasureSpec): Measure => MEASURES[spec.kind]
