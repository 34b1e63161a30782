import { type FoldedRow, OTHER } from '#schema/checkpoint.ts'
import { memberHash } from '#schema/hash.ts'
import { LIMITS } from '#schema/limits.ts'
import { emptyState } from '#schema/measures/state.ts'
import {
  type Measure,
  type Measured,
  type MeasureState,
  mergeState,
  stateFromJson,
  stateToJson,
} from '#schema/measures.ts'
import { seriesKey, sliceStart } from '#schema/metric.ts'
import { HeavyNames } from './heavy-names.ts'
import { nameOf, type SeriesName } from './series-names.ts'

/** What has no name in a slice. */
interface Unnamed {
  series: Series
  names: HeavyNames
}

interface Slice {
  start: number
  series: Map<string, Series>
  /** Past the cap: what has no name, and who is heavy in it. */
  unnamed: Unnamed | null
  /** Broker time of the last frame that touched it. */
  touchedAt: number
}

/**
 * A series of one slice. It is itself the state of what was added since the last checkpoint: an event finds all that it
 * changes in one object.
 */
export class Series implements MeasureState {
  readonly slice: Slice
  readonly dims: (string | null)[]
  /** Up to the last checkpoint, where the measure asks for it. */
  readonly total: MeasureState | null
  /** Whether anything of the following says something. */
  isChanged = false
  n = 0
  shed = 0
  sum: MeasureState['sum'] = null
  range: MeasureState['range'] = null
  sketch: MeasureState['sketch'] = null
  events = 0
  corrections = 0
  correctedAt = Number.NEGATIVE_INFINITY

  constructor(slice: Slice, dims: (string | null)[], total: MeasureState | null) {
    this.slice = slice
    this.dims = dims
    this.total = total
  }

  /** What has changed is part of the total from now on. */
  settle(): void {
    if (this.total) mergeState(this.total, this)
    this.isChanged = false
    this.n = 0
    this.shed = 0
    this.sum = null
    this.range = null
    this.sketch = null
    this.events = 0
    this.corrections = 0
    this.correctedAt = Number.NEGATIVE_INFINITY
  }
}

/** The total where none is kept. */
const NOTHING = emptyState()

/** Counts of names that take about as much of a checkpoint as a row. */
const COUNTS_OF_A_ROW = 8

const unnamedOf = (series: Series): Pick<FoldedRow, 'unnamed'> =>
  series.slice.unnamed?.series === series ? { unnamed: series.slice.unnamed.names.take() } : {}

/** What of a metric a row carries. */
export interface RowHead {
  tenant: string
  metric: string
  version: number
}

/**
 * Slices of one size of one metric: [start, start + size), aligned to 1970. Tumbling windows are single slices; sliding
 * ones are sums of them, composed by whoever reads.
 */
export class SliceStore {
  readonly size: number
  private readonly measure: Measure
  private readonly place: number
  private readonly slices = new Map<number, Slice>()
  private last: Slice | undefined
  private changed: Series[] = []
  /** What has no name, where that changed since the last checkpoint. */
  private readonly capped = new Set<Unnamed>()

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
    const slice = this.sliceOf(time)
    slice.touchedAt = storedAt
    const series = this.seriesOf(slice, name, weight)
    if (!series.isChanged) {
      series.isChanged = true
      this.changed.push(series)
    }
    this.measure.add(series, value, weight, series.total ?? NOTHING)
    series.events += sign
    if (watermark < slice.start + this.size) return
    series.corrections++
    if (watermark > series.correctedAt) series.correctedAt = watermark
  }

  /** About the rows that take() will answer: series with changes that no checkpoint has yet. */
  get pending(): number {
    let counts = 0
    for (const { names } of this.capped) counts += names.pending
    return this.changed.length + Math.ceil(counts / COUNTS_OF_A_ROW)
  }

  /** Series in memory, of all slices. */
  get seriesCount(): number {
    let count = 0
    for (const { series } of this.slices.values()) count += series.size
    return count
  }

  /** Deltas since the last call; they are part of the totals from now on. */
  take(head: RowHead): FoldedRow[] {
    const rows = this.changed.map((series) => {
      const { slice, dims, events, corrections, correctedAt } = series
      const row = {
        ...head,
        size: this.size,
        start: slice.start,
        dims,
        events,
        corrections,
        ...(corrections > 0 ? { correctedAt } : {}),
        ...stateToJson(series),
        ...unnamedOf(series),
      }
      series.settle()
      return row
    })
    this.changed = []
    this.capped.clear()
    return rows
  }

  restore(row: FoldedRow, touchedAt: number): void {
    const slice = this.sliceAt(row.start)
    slice.touchedAt = Math.max(slice.touchedAt, touchedAt)
    const key = seriesKey(row.dims)
    const series = slice.series.get(key) ?? this.newSeries(slice, { dims: row.dims, key })
    if (series.total) mergeState(series.total, stateFromJson(row))
    if (!row.unnamed) return
    slice.unnamed ??= { series, names: new HeavyNames() }
    slice.unnamed.names.restore(row.unnamed)
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
      if ([...slice.series.values()].some(({ isChanged }) => isChanged)) continue
      this.slices.delete(start)
      if (this.last === slice) this.last = undefined
    }
  }

  private sliceOf(time: number): Slice {
    const { last, size } = this
    // Most events fall into the slice of the event before.
    if (last && time >= last.start && time < last.start + size) return last
    return this.sliceAt(sliceStart(time, size))
  }

  private sliceAt(start: number): Slice {
    let slice = this.slices.get(start)
    if (!slice) {
      slice = { start, series: new Map(), unnamed: null, touchedAt: 0 }
      this.slices.set(start, slice)
    }
    this.last = slice
    return slice
  }

  /** A name remembers the series that it had last: most events fall into the same slice again. */
  private seriesOf(slice: Slice, name: SeriesName, weight: number): Series {
    const known = name.latest[this.place]
    if (known?.slice === slice) return known
    let series = slice.series.get(name.key)
    if (!series) {
      const unnamed = this.placeFor(slice, name, weight)
      if (unnamed) return unnamed
      series = this.newSeries(slice, name)
    }
    name.latest[this.place] = series
    return series
  }

  /** Null where there is a place for the name. Past the cap it has to prove heavy under OTHER, which is answered till then. */
  private placeFor(slice: Slice, { dims, key }: SeriesName, weight: number): Series | null {
    const { size } = slice.series
    if (size < LIMITS.seriesAsTheyCome || dims.every((dim) => dim === OTHER)) return null
    slice.unnamed ??= { series: this.otherOf(slice, dims), names: new HeavyNames() }
    const { series, names } = slice.unnamed
    // What is taken back is in no count: nobody knows under which name it had been.
    if (size >= LIMITS.seriesPerWindow || weight < 0) return series
    this.capped.add(slice.unnamed)
    return names.proves(memberHash(key), weight) ? null : series
  }

  private otherOf(slice: Slice, dims: readonly (string | null)[]): Series {
    const other = nameOf(dims.map(() => OTHER))
    return slice.series.get(other.key) ?? this.newSeries(slice, other)
  }

  private newSeries(slice: Slice, { dims, key }: Pick<SeriesName, 'dims' | 'key'>): Series {
    const series = new Series(slice, dims, this.measure.asksTotal ? this.measure.empty() : null)
    slice.series.set(key, series)
    return series
  }
}
