import { seriesKey } from '#schema/metric.ts'
import { windowStatus } from '#schema/status.ts'
import type { LiveView, Moment } from './live-view.ts'
import type { SliceOperation } from './operation.ts'
import { type Point, slicesOf, windowPoints, windowStart } from './points.ts'
import { isAfter, noPositions, type Positions, raise } from './positions.ts'
import type { SliceTable } from './slices.ts'

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

/** Windows in which a series changed after `since`, and windows whose status is another one than then. */
const movedWindows = (operation: SliceOperation, table: SliceTable, since: Moment, now: Moment, horizonMs: number) => {
  const changed = new Set<number>()
  const restated = new Set<number>()
  const timeMoved = since.time !== now.time
  for (const slice of table.slices.values()) {
    const start = windowStart(operation, slice.start)
    if (isAfter(slice.changed, since.positions)) changed.add(start)
    if (!timeMoved || restated.has(start)) continue
    const end = start + operation.sizeMs
    const then = windowStatus(since.time, start, end, horizonMs, false)
    if (then !== windowStatus(now.time, start, end, horizonMs, false)) restated.add(start)
  }
  return { changed, restated }
}

/** Checkpoints that a window's newest state in the live view comes from. */
export const neededFor = (operation: SliceOperation, table: SliceTable, start: number): Positions => {
  const need = noPositions(table.changed.length)
  for (const slice of slicesOf(operation, table.slices, start)) raise(need, slice.changed)
  return need
}

/** What a reader that has seen all up to `since` has not seen: points that changed, or whose status did. */
export const changesSince = (
  operation: SliceOperation,
  view: Pick<LiveView, 'table' | 'mark'>,
  since: Moment,
  now: Moment,
  horizonMs: number,
): Changes => {
  const { tenant, metric, version, sliceMs } = operation
  const table = view.table(tenant, metric, version, sliceMs)
  if (!table) return NOTHING
  if (since.time === now.time && !isAfter(table.changed, since.positions)) return NOTHING
  const { changed, restated } = movedWindows(operation, table, since, now, horizonMs)
  const mark = view.mark(tenant, metric, sliceMs)
  const points: Point[] = []
  const stored = new Map<number, StoredChange>()
  for (const start of [...changed.union(restated)].sort((a, b) => a - b)) {
    const from = restated.has(start) ? undefined : since.positions
    const slices = slicesOf(operation, table.slices, start)
    const moved = windowPoints(operation, start, slices, { time: now.time, horizonMs }, from)
    if (start >= mark) points.push(...moved)
    else if (moved.length > 0) {
      const groups = from ? new Set(moved.map((point) => seriesKey(point.dimensions))) : null
      stored.set(start, { need: neededFor(operation, table, start), groups })
    }
  }
  return { points, stored }
}
