/** Metrics as data: what is counted, under which conditions, by which dimensions, in which windows. */
export const MEASURE_KINDS = ['COUNT', 'SUM', 'MIN', 'MAX', 'AVG', 'UNIQUES', 'QUANTILES', 'TOPK'] as const
export type MeasureKind = (typeof MEASURE_KINDS)[number]
export interface MeasureSpec {
  kind: MeasureKind
  /** The field that is measured; none for COUNT. */
  field?: string
  /** Of TOPK: how many values; DEFAULT_K when absent. */
  k?: number
}

export const DEFAULT_K = 10

export type ConditionOp = 'EQ' | 'NE' | 'LT' | 'LE' | 'GT' | 'GE' | 'IN' | 'CONTAINS' | 'EXISTS'
export interface Condition {
  field: string
  op: ConditionOp
  value: unknown
}

/** Durations in milliseconds. */
export type WindowSpec =
  | { kind: 'TUMBLING'; sizeMs: number }
  | { kind: 'SLIDING'; sizeMs: number; slideMs: number }
  | { kind: 'SESSION'; gapMs: number }

export interface MetricDefinition {
  name: string
  /** Event name, or * for all. */
  event: string
  where: Condition[]
  measure: MeasureSpec
  dimensions: string[]
  windows: WindowSpec[]
  /** Of metrics on SESSION_END: the gap after which a session has ended, milliseconds. */
  sessionGapMs?: number
  /** Grows with every change; a control record of a version that is not newer is ignored. */
  version: number
}

/** What KV holds of a metric. It is active when the control record stands in every partition's log. */
export interface MetricRecord {
  definition: MetricDefinition
  deleted: boolean
  active: boolean
}

const greatestCommonDivisor = (a: number, b: number): number => (b === 0 ? a : greatestCommonDivisor(b, a % b))

/** Size of the slices of a window, milliseconds. A tumbling window is one slice; sliding ones are sums of shared slices. */
export const sliceOf = (window: Exclude<WindowSpec, { kind: 'SESSION' }>): number =>
  window.kind === 'TUMBLING' ? window.sizeMs : greatestCommonDivisor(window.sizeMs, window.slideMs)

/** Slices a metric is folded into: sizes in milliseconds, each once. */
export const sliceSizes = ({ windows }: Pick<MetricDefinition, 'windows'>): number[] => [
  ...new Set(windows.flatMap((window) => (window.kind === 'SESSION' ? [] : sliceOf(window)))),
]

/** Gaps of a metric's session windows, milliseconds, each once. */
export const sessionGaps = ({ windows }: Pick<MetricDefinition, 'windows'>): number[] => [
  ...new Set(windows.flatMap((window) => (window.kind === 'SESSION' ? window.gapMs : []))),
]

/** Start of the slice that holds `time`: slices are aligned to 1970-01-01T00:00:00Z, as [start, start + size). */
export const sliceStart = (time: number, sizeMs: number): number => Math.floor(time / sizeMs) * sizeMs

/** Which OLAP table holds slices of this size. */
export const aggTable = (sizeMs: number): 'minly_aggs' | 'hourly_aggs' =>
  sizeMs >= 3_600_000 ? 'hourly_aggs' : 'minly_aggs'

/** Dimensions as a key: with lengths, so that no value, whatever it holds, can look like two. */
export const seriesKey = (dims: readonly (string | null)[]): string => {
  let key = ''
  for (const value of dims) key += value === null ? '-' : `${value.length}:${value}`
  return key
}
