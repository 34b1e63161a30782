import {
  type Measure,
  type MeasureJson,
  type MeasureState,
  mergeState,
  stateFromJson,
  stateToJson,
} from '../measures.ts'
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
