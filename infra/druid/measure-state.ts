import { addWeight, type WeightsBy } from '#schema/measures/tally.ts'
import { type MeasureJson, stateFromJson, stateToJson } from '#schema/measures.ts'
import { fromParts } from './exact-parts.ts'
import { decodeHll } from './sketches/hll.ts'
import { decodeQuantiles } from './sketches/quantiles.ts'

/** A measure's numbers as Druid has them: by field of the state the column and how its changes add up. */
const NUMBERS = {
  n: ['count', 'SUM'],
  shed: ['shed', 'SUM'],
  min: ['min', 'MIN'],
  max: ['max', 'MAX'],
  error: ['error', 'SUM'],
} as const

type NumberField = keyof typeof NUMBERS
const FIELDS = Object.keys(NUMBERS) as NumberField[]
const SUM_PARTS = ['sum_high', 'sum_low', 'sum_part']
export const NUMBER_COUNT = FIELDS.length + SUM_PARTS.length

/** Of SELECT, in the order that numbersOf reads. */
export const MERGED_NUMBERS = [
  ...FIELDS.map((field) => `${NUMBERS[field][1]}("${NUMBERS[field][0]}")`),
  ...SUM_PARTS.map((column) => `SUM(${column})`),
].join(', ')
/** The same of single rows. */
export const plainNumbers = (table: string): string =>
  [...FIELDS.map((field) => NUMBERS[field][0]), ...SUM_PARTS].map((column) => `${table}."${column}"`).join(', ')

const sumOf = (parts: readonly unknown[]): MeasureJson => {
  const [high, low, part] = parts.map(Number)
  return high === 0 && low === 0 && part === 0 ? {} : fromParts({ high, low, part })
}

/** A sum of nothing is 0, which is as good as none; the least of nothing is null. */
export const numbersOf = (values: readonly unknown[]): MeasureJson => {
  const numbers = FIELDS.map((field, i) => [field, values[i] as number | null] as const)
  const there = numbers.filter(([field, value]) => value !== null && (value !== 0 || NUMBERS[field][1] !== 'SUM'))
  return { ...Object.fromEntries(there), ...sumOf(values.slice(FIELDS.length)) }
}

/** Columns of sketches, in the order that addSketches reads. */
const SKETCHES = ['uniques', 'quantiles', 'quantiles_taken'] as const
export const SKETCH_COUNT = SKETCHES.length
export const plainSketches = (table: string): string => SKETCHES.map((column) => `${table}."${column}"`).join(', ')

/** Druid writes a sketch as JSON: base64 in quotes. One without anything is no sketch. */
const base64Of = (value: unknown): string | null =>
  typeof value === 'string' && value !== '' ? value.replaceAll('"', '') : null

/** What sketches and values of topK of one series come to. */
export interface Gathered {
  uniques: MeasureJson[]
  buckets: WeightsBy<number>
  items: [value: string, count: number][]
}

export const gather = (): Gathered => ({ uniques: [], buckets: new Map(), items: [] })

export const addSketches = (into: Gathered, values: readonly unknown[]): void => {
  const [uniques, measured, taken] = values.map(base64Of)
  if (uniques !== null) into.uniques.push(decodeHll(uniques))
  for (const [sketch, sign] of [
    [measured, 1],
    [taken, -1],
  ] as const) {
    if (sketch === null) continue
    for (const [bucket, weight] of decodeQuantiles(sketch)) addWeight(into.buckets, bucket, sign * weight)
  }
}

/** The state of a series, as a store says it: the shortest of its kind. */
export const stateOf = (numbers: MeasureJson, { uniques, buckets, items }: Gathered): MeasureJson => {
  const state: MeasureJson = { ...numbers }
  const members = [...new Set(uniques.flatMap((one) => one.members ?? []))]
  const registers = uniques.flatMap((one) => one.registers ?? [])
  if (members.length > 0) state.members = members.sort((a, b) => a - b)
  if (registers.length > 0) state.registers = registers
  if (buckets.size > 0) state.buckets = [...buckets]
  if (items.length > 0) state.items = items
  return stateToJson(stateFromJson(state))
}
