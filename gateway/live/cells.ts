import { compactState, type Measure, type MeasureState, mergeState } from '#schema/measures.ts'
import { seriesKey } from '#schema/metric.ts'
import type { SliceOperation } from './operation.ts'
import { type Positions, raise } from './positions.ts'
import type { Series, Slice } from './slices.ts'

/** What adds up of a group over slices. Never written to once it is handed out: it may be a series of the live view. */
export interface Sum {
  state: MeasureState
  events: number
  /** See Series. */
  correctedAt: number
  revision: number
}

/** A group of an operation in one slice. */
export interface Cell extends Sum {
  dims: (string | null)[]
  /** By partition: checkpoint of the last change. */
  changed: Positions
}

/** By seriesKey of the group. */
export type Cells = ReadonlyMap<string, Cell>

export const addSums = (measure: Measure, a: Sum, b: Sum): Sum => {
  const state = measure.empty()
  mergeState(state, a.state)
  mergeState(state, b.state)
  compactState(state)
  return {
    state,
    events: a.events + b.events,
    correctedAt: Math.max(a.correctedAt, b.correctedAt),
    revision: a.revision + b.revision,
  }
}

/** Adds a series to a cell that is nobody else's. */
const addTo = (cell: Cell & { changed: number[] }, series: Series): void => {
  mergeState(cell.state, series.state)
  compactState(cell.state)
  cell.events += series.events
  cell.correctedAt = Math.max(cell.correctedAt, series.correctedAt)
  cell.revision += series.revision
  raise(cell.changed, series.changed)
}

const group = (operation: SliceOperation, slice: Slice): Cells => {
  const cells = new Map<string, Cell>()
  const own = new Map<string, Cell & { changed: number[] }>()
  for (const series of slice.series.values()) {
    if (!operation.matches(series.dims)) continue
    const dims = operation.groupOf(series.dims)
    const key = seriesKey(dims)
    const first = cells.get(key)
    if (!first) {
      cells.set(key, { ...series, dims })
      continue
    }
    let sum = own.get(key)
    if (!sum) {
      sum = { dims, ...addSums(operation.measure, first, series), changed: [...first.changed] }
      raise(sum.changed, series.changed)
      own.set(key, sum)
      cells.set(key, sum)
    } else addTo(sum, series)
  }
  return cells
}

export type CellsOf = (slice: Slice) => Cells

/**
 * Slices as the groups of an operation; each is grouped anew only when it has changed. `onGrouped` is told how many more
 * cells are held.
 */
export const createCells = (operation: SliceOperation, onGrouped?: (cells: number) => void): CellsOf => {
  const known = new WeakMap<Slice, { folds: number; cells: Cells }>()
  return (slice) => {
    if (operation.everySeries) return slice.series
    const before = known.get(slice)
    if (before?.folds === slice.folds) return before.cells
    const cells = group(operation, slice)
    known.set(slice, { folds: slice.folds, cells })
    onGrouped?.(cells.size - (before?.cells.size ?? 0))
    return cells
  }
}
