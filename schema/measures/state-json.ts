import { mergeExact, normalized } from './exact-sum.ts'
import { type HeavyHitters, mergeHitters, newHitters } from './heavy-hitters.ts'
import { Registers } from './hyperloglog.ts'
import { Members } from './members.ts'
import { type MeasureState, mergeState, type Sketch, sketchOf, widenRange } from './state.ts'
import { mergeWeights, type WeightsBy } from './tally.ts'
import { newUniques, type Uniques } from './uniques.ts'

/** A state as it stands in JSON: absent fields are empty. */
export interface MeasureJson {
  n?: number
  shed?: number
  sum?: number
  /** What the rounding of sum lost. */
  comp?: number
  min?: number
  max?: number
  /** Of uniques: hashes of members (see memberHash), and registers (see hyperloglog.ts). */
  members?: number[]
  registers?: number[]
  /** Of quantiles: weights by bucket (see quantiles.ts). */
  buckets?: [bucket: number, weight: number][]
  /** Of topK: counts, which may be negative in a delta, and what was subtracted from them. */
  items?: [value: string, count: number][]
  error?: number
}

const sketchToJson = ({ uniques, buckets, top }: Sketch): MeasureJson => {
  const json: MeasureJson = {}
  if (uniques && uniques.members.size > 0) json.members = uniques.members.list()
  if (uniques?.registers) json.registers = uniques.registers.packed()
  if (buckets && buckets.size > 0) json.buckets = [...buckets]
  if (top && top.counts.size > 0) json.items = [...top.counts]
  if (top && top.error > 0) json.error = top.error
  return json
}

export const stateToJson = ({ n, shed, sum, range, sketch }: MeasureState): MeasureJson => {
  const json: MeasureJson = {}
  if (n !== 0) json.n = n
  if (shed !== 0) json.shed = shed
  if (sum) {
    const { sum: total, comp } = normalized(sum)
    if (total !== 0) json.sum = total
    if (comp !== 0) json.comp = comp
  }
  if (range) {
    if (range.min !== Number.POSITIVE_INFINITY) json.min = range.min
    if (range.max !== Number.NEGATIVE_INFINITY) json.max = range.max
  }
  return sketch ? Object.assign(json, sketchToJson(sketch)) : json
}

const uniquesFromJson = ({ members, registers }: MeasureJson): Uniques | null => {
  if (!members && !registers) return null
  const uniques: Uniques = { members: new Members(members), registers: registers ? new Registers() : null }
  for (const packed of registers ?? []) uniques.registers!.raise(packed)
  return uniques
}

const bucketsFromJson = ({ buckets }: MeasureJson): WeightsBy<number> | null => {
  if (!buckets) return null
  const weights: WeightsBy<number> = new Map()
  mergeWeights(weights, buckets)
  return weights
}

const topFromJson = ({ items, error }: MeasureJson): HeavyHitters | null => {
  if (!items && !error) return null
  const top = newHitters()
  mergeHitters(top, { counts: items ?? [], error: error ?? 0 })
  return top
}

/** Merges a row into a state, as mergeState does, without a state of its own for the row. */
export const mergeJson = (into: MeasureState, json: MeasureJson): void => {
  const { n = 0, shed = 0, sum, comp, min, max, members, registers } = json
  into.n += n
  into.shed += shed
  if (sum !== undefined || comp !== undefined) {
    into.sum ??= { sum: 0, comp: 0 }
    mergeExact(into.sum, { sum: sum ?? 0, comp: comp ?? 0 })
  }
  if (min !== undefined || max !== undefined) {
    widenRange(into, min ?? Number.POSITIVE_INFINITY, max ?? Number.NEGATIVE_INFINITY)
  }
  if (members || registers) {
    const sketch = sketchOf(into)
    sketch.uniques ??= newUniques()
    const { uniques } = sketch
    for (const member of members ?? []) uniques.members.add(member)
    if (registers) uniques.registers ??= new Registers()
    for (const packed of registers ?? []) uniques.registers!.raise(packed)
  }
  if (json.buckets || json.items || json.error) {
    mergeState(into, stateFromJson({ buckets: json.buckets, items: json.items, error: json.error }))
  }
}

/** Of any kind, and of any format: what is not there is empty. */
export const stateFromJson = (json: MeasureJson): MeasureState => {
  const { n = 0, shed = 0, sum, comp, min, max } = json
  const [uniques, buckets, top] = [uniquesFromJson(json), bucketsFromJson(json), topFromJson(json)]
  return {
    n,
    shed,
    sum: sum === undefined && comp === undefined ? null : { sum: sum ?? 0, comp: comp ?? 0 },
    range:
      min === undefined && max === undefined
        ? null
        : { min: min ?? Number.POSITIVE_INFINITY, max: max ?? Number.NEGATIVE_INFINITY },
    sketch: uniques || buckets || top ? { uniques, buckets, top } : null,
  }
}
