import { windowStatus } from '#schema/status.ts'
import type { Cell, Cells } from './cells.ts'
import type { LiveView, Moment } from './live-view.ts'
import type { SliceOperation } from './operation.ts'
import { everyGroup, type Point, pointsOfGroups, type Wanted } from './points.ts'
import { isAfter, noPositions, type Positions, raise } from './positions.ts'
import type { Slice, SliceTable } from './slices.ts'
import { inOrder, startsOf, type Window, windowsOf } from './windows.ts'

/** A change to a window that has left the live view: its points come from the OLAP store once that holds `need`. */
export interface StoredChange {
  need: Positions
  /** Groups that changed, by seriesKey of their dimensions; null: all of them. */
  groups: ReadonlySet<string> | null
}

export interface Changes {
  /** By window start, then by dimensions. */
  points: Point[]
  /** By window start. */
  stored: ReadonlyMap<number, StoredChange>
}

const NOTHING: Changes = { points: [], stored: new Map() }

/** Windows whose status is another one than it was. */
const restatedOf = (
  operation: SliceOperation,
  slices: readonly Slice[],
  since: Moment,
  now: Moment,
  horizonMs: number,
): Set<number> => {
  if (since.time === now.time) return new Set()
  const statusAt = ({ time }: Moment, start: number) =>
    windowStatus(time, start, start + operation.sizeMs, horizonMs, false)
  return new Set(startsOf(operation, slices).filter((start) => statusAt(since, start) !== statusAt(now, start)))
}

/** A group that changed, and in which slices: by their places, in order. */
interface ChangedGroup {
  cell: Cell
  places: number[]
}

const changedGroups = (
  places: readonly number[],
  cellsAt: (place: number) => Cells,
  since: Positions,
): Map<string, ChangedGroup> => {
  const groups = new Map<string, ChangedGroup>()
  for (const place of places) {
    for (const [key, cell] of cellsAt(place)) {
      if (!isAfter(cell.changed, since)) continue
      const group = groups.get(key)
      if (group) group.places.push(place)
      else groups.set(key, { cell, places: [place] })
    }
  }
  return groups
}

/** Of `windows`, those that hold one of the places; both are in order. */
const holding = (windows: readonly Window[], places: readonly number[]): Window[] => {
  let at = 0
  return windows.filter(({ low, high }) => {
    while (at < places.length && places[at] < low) at++
    return at < places.length && places[at] < high
  })
}

/** Checkpoints that the newest state in the live view of a window comes from. */
const neededFor = (table: SliceTable, slices: readonly Slice[], { low, high }: Window): Positions => {
  const need = noPositions(table.changed.length)
  for (let place = low; place < high; place++) raise(need, slices[place].changed)
  return need
}

/** Windows that have left the live view. */
const storedChanges = (
  windows: readonly Window[],
  restated: ReadonlySet<number>,
  groups: ReadonlyMap<string, ChangedGroup>,
  needOf: (window: Window) => Positions,
  hasCells: (window: Window) => boolean,
): Map<number, StoredChange> => {
  const stored = new Map<number, StoredChange>()
  const touched = new Map<number, Set<string>>()
  const others = windows.filter(({ start }) => !restated.has(start))
  for (const [key, { places }] of groups) {
    for (const { start } of holding(others, places)) {
      const keys = touched.get(start)
      if (keys) keys.add(key)
      else touched.set(start, new Set([key]))
    }
  }
  for (const window of windows) {
    const keys = restated.has(window.start) ? null : touched.get(window.start)
    if (keys === undefined || (keys === null && !hasCells(window))) continue
    stored.set(window.start, { need: needOf(window), groups: keys })
  }
  return stored
}

/** What has moved between two moments: slices in order of time, windows with something new, groups that changed. */
const movedBetween = (
  operation: SliceOperation,
  table: SliceTable,
  cellsOf: (slice: Slice) => Cells,
  since: Moment,
  now: Moment,
  horizonMs: number,
) => {
  const slices = inOrder(table.slices.values())
  const changed = slices.flatMap((slice, place) => (isAfter(slice.changed, since.positions) ? [place] : []))
  const touched = startsOf(
    operation,
    changed.map((place) => slices[place]),
  )
  const restated = restatedOf(operation, slices, since, now, horizonMs)
  const starts = [...restated.union(new Set(touched))].sort((a, b) => a - b)
  const windows = windowsOf(operation, starts, slices, { time: now.time, horizonMs })
  const cellsAt = (place: number): Cells => cellsOf(slices[place])
  return { slices, restated, windows, cellsAt, groups: changedGroups(changed, cellsAt, since.positions) }
}

/** All groups of windows whose status is another one, and those that changed of the others. */
const wantedIn = (
  live: readonly Window[],
  { slices, restated, groups, cellsAt }: ReturnType<typeof movedBetween>,
  cellsOf: (slice: Slice) => Cells,
): Wanted[] => {
  const whole = live.filter(({ start }) => restated.has(start))
  const others = live.filter(({ start }) => !restated.has(start))
  const changed = [...groups].map(
    ([key, { cell, places }]): Wanted => ({
      dimensions: cell.dims,
      cellAt: (place) => cellsAt(place).get(key),
      windows: holding(others, places),
    }),
  )
  return [...everyGroup(whole, slices, cellsOf), ...changed]
}

/** What a reader that has seen all up to `since` has not seen: points that changed, or whose status did. */
export const changesSince = (
  operation: SliceOperation,
  view: Pick<LiveView, 'table' | 'mark'>,
  cellsOf: (slice: Slice) => Cells,
  since: Moment,
  now: Moment,
  horizonMs: number,
): Changes => {
  const { tenant, metric, version, sliceMs, measure } = operation
  const table = view.table(tenant, metric, version, sliceMs)
  if (!table) return NOTHING
  if (since.time === now.time && !isAfter(table.changed, since.positions)) return NOTHING
  const moved = movedBetween(operation, table, cellsOf, since, now, horizonMs)
  const { slices, restated, windows, groups, cellsAt } = moved
  const mark = view.mark(tenant, metric, sliceMs)
  const left = windows.filter(({ start }) => start < mark)
  const hasCells = ({ low, high }: Window): boolean => slices.slice(low, high).some((_, i) => cellsAt(low + i).size > 0)
  return {
    points: pointsOfGroups(measure, wantedIn(windows.slice(left.length), moved, cellsOf)),
    stored: storedChanges(left, restated, groups, (window) => neededFor(table, slices, window), hasCells),
  }
}
