import fc from 'fast-check'
import {
  type Measure,
  type MeasureJson,
  type MeasureState,
  mergeState,
  stateFromJson,
  stateToJson,
} from '../measures.ts'
import type { MeasureSpec } from '../metric.ts'
import { exactWeight } from './weight.ts'

/** A value as an event has it, and how many events that one stands for. */
export interface Weighed {
  value: unknown
  weight: number
}

/** What a processor that starts from nothing makes of its checkpoints: a delta each, as it travels. */
export const deltasOf = (measure: Measure, checkpoints: readonly (readonly Weighed[])[]): MeasureJson[] => {
  const total = measure.empty()
  return checkpoints.map((events) => {
    const delta = measure.empty()
    for (const { value, weight } of events) measure.add(delta, measure.read(value), exactWeight(weight), total)
    mergeState(total, delta)
    return JSON.parse(JSON.stringify(stateToJson(delta))) as MeasureJson
  })
}

/** Their sum, in the order that they have. */
export const merged = (deltas: readonly MeasureJson[]): MeasureState => {
  const state = stateFromJson({})
  for (const delta of deltas) mergeState(state, stateFromJson(delta))
  return state
}

export const stateOf = (measure: Measure, values: readonly unknown[]): MeasureState =>
  merged(deltasOf(measure, [values.map((value) => ({ value, weight: 1 }))]))

const LONG = 'x'.repeat(250)
const integer = fc.integer({ min: -(2 ** 31), max: 2 ** 31 })
const decimal = fc.integer({ min: -1_000_000, max: 1_000_000 }).map((cents) => cents / 100)
const anything = fc.oneof(
  integer,
  decimal,
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.boolean(),
  fc.constantFrom(null, undefined, {}, [1]),
)

/** Each measure with values that make it do all it can, pruning and estimating included. */
export const MEASURE_CASES: [spec: MeasureSpec, value: fc.Arbitrary<unknown>, most: number][] = [
  [{ kind: 'COUNT' }, anything, 40],
  [{ kind: 'SUM', field: 'a' }, integer, 40],
  [{ kind: 'SUM', field: 'a' }, fc.bigInt(-(2n ** 53n), 2n ** 53n).map(Number), 40],
  [{ kind: 'SUM', field: 'a' }, fc.oneof(decimal, anything), 40],
  [{ kind: 'AVG', field: 'a' }, fc.oneof(decimal, anything), 40],
  [{ kind: 'MIN', field: 'a' }, fc.oneof(fc.double({ noNaN: true }), anything), 40],
  [{ kind: 'MAX', field: 'a' }, fc.oneof(fc.double({ noNaN: true }), anything), 40],
  [{ kind: 'UNIQUES', field: 'a' }, fc.oneof(fc.nat(20), anything), 40],
  [{ kind: 'UNIQUES', field: 'a' }, fc.nat(5_000), 3_000],
  [{ kind: 'QUANTILES', field: 'a' }, fc.oneof(fc.double({ noNaN: true }), decimal, anything), 60],
  [{ kind: 'TOPK', field: 'a', k: 3 }, fc.oneof(fc.nat(6), anything), 60],
  [{ kind: 'TOPK', field: 'a' }, fc.nat(900).map((n) => `${n % 31 === 0 ? n % 5 : n}${LONG}`), 1_500],
]

const weight = fc.constantFrom(1, 1, 1, 2, 1 / 0.3, 1 / 0.7, 1_000_000)

/** Partitions of checkpoints of events, of at most `most` events. */
export const streams = (value: fc.Arbitrary<unknown>, most: number): fc.Arbitrary<Weighed[][][]> =>
  fc
    .tuple(
      fc.array(fc.record({ value, weight }), { maxLength: most, size: 'max' }),
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 6 }),
      fc.nat(1_000),
    )
    .map(([events, partitions, checkpoints, salt]) =>
      Array.from({ length: partitions }, (_, p) =>
        Array.from({ length: checkpoints }, (__, c) =>
          events.filter(
            (___, i) => (i * (salt | 1)) % partitions === p && Math.floor((i * checkpoints) / events.length) === c,
          ),
        ),
      ),
    )
