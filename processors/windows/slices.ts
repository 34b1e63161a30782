import { type AggregateRow, OTHER } from '#schema/checkpoint.ts'
import { LIMITS } from '#schema/limits.ts'
import {
  type Measure,
  type Measured,
  type MeasureState,
  mergeState,
  stateFromJson,
  stateToJson,
} from '#schema/measures.ts'
import { seriesKey, sliceStart } from '#schema/metric.ts'
import { nameOf, type SeriesName } from './series-names.ts'

interface Slice {
  start: number
  series: Map<string, Series>
  /** Broker time of the last frame that touched it. */
  touchedAt: number
}

/** A series of one slice. */
export interface Series {
  slice: Slice
  dims: (string | null)[]
  total: MeasureState
  /** Since the last checkpoint; null when nothing changed. */
  delta: { state: MeasureState; events: number; corrections: number; correctedAt: number } | null
}

/** What of a metric a row carries. */
export interface RowHead {
  tenant: string
  metric: string
  version: number
}

/**
 * Slices of one size of one metric: [start, start + size), aligned to 1970. Tumbling windows are single slices; sliding
 * ones will be sums of them, composed by whoever reads.
 */
export class SliceStore {
  readonly size: number
  private readonly measure: Measure
  private readonly place: number
  private readonly slices = new Map<number, Slice>()
  private last: Slice | undefined
  private changed: Series[] = []

  /** `place`: of this store among those of its metric. */
  constructor(size: number, measure: Measure, place = 0) {
    this.size = size
    this.measure = measure
    this.place = place
  }

  /** Folds one event in, or takes back what one had added (`sign` -1; its weight is negative then). */
  add(
    time: number,
    name: SeriesName,
    value: Measured,
    weight: number,
    watermark: number,
    storedAt: number,
    sign: 1 | -1 = 1,
  ): void {
    const slice = this.sliceAt(sliceStart(time, this.size))
    slice.touchedAt = storedAt
    const series = this.seriesOf(slice, name)
    if (series.delta === null) {
      series.delta = { state: this.measure.empty(), events: 0, corrections: 0, correctedAt: Number.NEGATIVE_INFINITY }
      this.changed.push(series)
    }
    const { delta } = series
    this.measure.add(delta.state, value, weight, series.total)
    delta.events += sign
    if (watermark < slice.start + this.size) return
    delta.corrections++
    if (watermark > delta.correctedAt) delta.correctedAt = watermark
  }

  /** Series with changes that no checkpoint has yet. */
  get pending(): number {
    return this.changed.length
  }

  /** Series in memory, of all slices. */
  get seriesCount(): number {
    let count = 0
    for (const { series } of this.slices.values()) count += series.size
    return count
  }

  /** Deltas since the last call; they are part of the totals from now on. */
  take(head: RowHead): AggregateRow[] {
    const rows = this.changed.map((series) => {
      const delta = series.delta!
      series.delta = null
      mergeState(series.total, delta.state)
      return {
        ...head,
        size: this.size,
        start: series.slice.start,
        dims: series.dims,
        events: delta.events,
        corrections: delta.corrections,
        ...(delta.corrections > 0 ? { correctedAt: delta.correctedAt } : {}),
        ...stateToJson(delta.state),
      }
    })
    this.changed = []
    return rows
  }

  restore(row: AggregateRow, touchedAt: number): void {
    const slice = this.sliceAt(row.start)
    slice.touchedAt = Math.max(slice.touchedAt, touchedAt)
    const series = slice.series.get(seriesKey(row.dims))
    const state = stateFromJson(row)
    if (series) mergeState(series.total, state)
    else slice.series.set(seriesKey(row.dims), { slice, dims: row.dims, total: state, delta: null })
  }

  /** Whether some slice ends after `time`. */
  hasOpen(time: number): boolean {
    for (const start of this.slices.keys()) if (start + this.size > time) return true
    return false
  }

  /** Forgets totals of slices that ended before `endedBefore` and were not touched since; a later event starts anew. */
  evict(endedBefore: number, touchedBefore: number): void {
    for (const [start, slice] of this.slices) {
      if (start + this.size > endedBefore || slice.touchedAt >= touchedBefore) continue
      if ([...slice.series.values()].some((series) => series.delta !== null)) continue
      this.slices.delete(start)
      if (this.last === slice) this.last = undefined
    }
  }

  private sliceAt(start: number): Slice {
    // Most events fall into the slice of the event before.
    if (this.last?.start === start) return this.last
    let slice = this.slices.get(start)
    if (!slice) {
      slice = { start, series: new Map(), touchedAt: 0 }
      this.slices.set(start, slice)
    }
    this.last = slice
    return slice
  }

  /** A name remembers the series that it had last: most events fall into the same slice again. */
  private seriesOf(slice: Slice, name: SeriesName): Series {
    const known = name.latest[this.place]
    if (known?.slice === slice) return known
    const series = slice.series.get(name.key) ?? this.newSeries(slice, name)
    name.latest[this.place] = series
    return series
  }

  /** Past the cap a new series counts under OTHER. */
  private newSeries(slice: Slice, { dims, key }: SeriesName): Series {
    if (slice.series.size >= LIMITS.seriesPerWindow && dims.some((dim) => dim !== OTHER)) {
      const other = nameOf(dims.map(() => OTHER))
      return slice.series.get(other.key) ?? this.newSeries(slice, other)
    }
    const series: Series = { slice, dims, total: this.measure.empty(), delta: null }
    slice.series.set(key, series)
    return series
  }
}
