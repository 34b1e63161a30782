import { type AggregateRow, OTHER } from '#schema/checkpoint.ts'
import { correctedAt } from '#schema/corrections.ts'
import { type MeasureState, mergeJson, stateFromJson } from '#schema/measures.ts'
import { seriesKey } from '#schema/metric.ts'
import { noPositions } from './positions.ts'

/** One series of one slice, summed over all partitions. */
export interface Series {
  dims: (string | null)[]
  state: MeasureState
  events: number
  /** The watermark by which an event corrected it last; -Infinity: none did. See Corrections. */
  correctedAt: number
  /** Changes so far. */
  revision: number
  /** By partition: checkpoint of the last change. */
  changed: number[]
}

export interface Slice {
  start: number
  series: Map<string, Series>
  /** Rows folded in so far: another number means that it has changed. */
  folds: number
  /** A series without a name is in it: the cap was reached. */
  capped: boolean
  /** By partition: checkpoint of the last change of any series. */
  changed: number[]
  /** When that was, milliseconds since 1970 by the processor's clock. */
  changedAt: number
}

/** Slices of one size of one version of a metric. */
export interface SliceTable {
  tenant: string
  metric: string
  version: number
  size: number
  slices: Map<number, Slice>
  /** By partition: checkpoint of the last change of any slice. */
  changed: number[]
  /** The same of slices that have left: what changed up to here can no longer be told. */
  forgotten: number[]
}

export const newTable = (row: AggregateRow, partitions: number): SliceTable => ({
  tenant: row.tenant,
  metric: row.metric,
  version: row.version,
  size: row.size,
  slices: new Map(),
  changed: noPositions(partitions),
  forgotten: noPositions(partitions),
})

export const newSlice = (start: number, partitions: number): Slice => ({
  start,
  series: new Map(),
  folds: 0,
  capped: false,
  changed: noPositions(partitions),
  changedAt: 0,
})

const newSeries = (row: AggregateRow, partitions: number): Series => ({
  dims: row.dims,
  state: stateFromJson({}),
  events: 0,
  correctedAt: Number.NEGATIVE_INFINITY,
  revision: 0,
  changed: noPositions(partitions),
})

/** Where a row comes from: partition, checkpoint, its time, and how many changes it stands for. */
export interface Origin {
  partition: number
  checkpoint: number
  at: number
  revision: number
}

/** Adds a row to its slice. */
export const foldRow = (slice: Slice, row: AggregateRow, origin: Origin): void => {
  const { partition, checkpoint } = origin
  slice.folds++
  const key = seriesKey(row.dims)
  let series = slice.series.get(key)
  if (!series) {
    series = newSeries(row, slice.changed.length)
    slice.series.set(key, series)
    if (row.dims[0] === OTHER) slice.capped = true
  }
  mergeJson(series.state, row)
  series.events += row.events
  series.correctedAt = Math.max(series.correctedAt, correctedAt(row, row.start + row.size))
  series.revision += origin.revision
  if (checkpoint > series.changed[partition]) series.changed[partition] = checkpoint
  if (checkpoint > slice.changed[partition]) slice.changed[partition] = checkpoint
  if (origin.at > slice.changedAt) slice.changedAt = origin.at
}
