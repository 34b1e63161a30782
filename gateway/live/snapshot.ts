import type { CellsOf } from './cells.ts'
import type { LiveView } from './live-view.ts'
import type { SliceOperation } from './operation.ts'
import { windowPoints } from './points.ts'
import { noPositions, type Positions, raise } from './positions.ts'
import type { Range } from './ranges.ts'
import type { Answer, Limits, Newest } from './reading.ts'
import type { SharedCells } from './shared-cells.ts'
import type { SliceTable } from './slices.ts'
import type { StoredWindows } from './stored.ts'
import type { StoredSessions } from './stored-sessions.ts'
import { inOrder, slicesFor, startAfter, startsOf } from './windows.ts'

export interface ReadOptions {
  view: LiveView
  stored: StoredWindows
  storedSessions: StoredSessions
  cells: SharedCells
  horizonMs: (tenant: string) => number
}

/** What the store must hold to answer for windows in [from, to): all that has left, and all that changed since. */
const storedNeed = (operation: SliceOperation, table: SliceTable | undefined, windows: Range): Positions => {
  if (!table) return noPositions(0)
  const need = [...table.forgotten]
  const { from, to } = slicesFor(operation, windows.from, windows.to)
  for (const slice of table.slices.values()) if (slice.start >= from && slice.start < to) raise(need, slice.changed)
  return need
}

/** The live side of an answer, taken at one moment. */
const takeLive = (operation: SliceOperation, { view, horizonMs }: ReadOptions) => {
  const { tenant, metric, version, sliceMs } = operation
  const moment = view.moment(tenant)
  const table = view.table(tenant, metric, version, sliceMs)
  const slices = inOrder(table?.slices.values() ?? [])
  // The first window of which no slice has left. -Infinity when none ever has.
  const from = startAfter(operation, view.mark(tenant, metric, sliceMs))
  const at = { time: moment.time, horizonMs: horizonMs(tenant) }
  const starts = startsOf(operation, slices).filter((start) => start >= from)
  return { moment, table, slices, from, at, starts, asOf: view.asOf() }
}

/** Windows whose start lies in [from, to), in order of time: each either from the live view or from the store. */
export const readRange = async (
  operation: SliceOperation,
  range: Range,
  most: number,
  cellsOf: CellsOf,
  options: ReadOptions,
  limits: Limits,
): Promise<Answer> => {
  const [first, end] = [startAfter(operation, range.from), startAfter(operation, range.to)]
  const live = takeLive(operation, options)
  const { moment, table, at, asOf } = live
  const starts = live.starts.filter((start) => start >= first && start < end)
  const to = Math.min(live.from, end)
  const livePoints = windowPoints(operation, starts, live.slices, cellsOf, at, most)
  if (to <= first) return { points: livePoints, moment, asOf }
  const windows = { from: first, to }
  const stored = await options.stored.read(operation, windows, storedNeed(operation, table, windows), limits)
  const points = windowPoints(operation, stored.starts, stored.slices, cellsOf, at, most)
  return { points: [...points, ...livePoints], moment, asOf, fromStore: true }
}

/** The newest `last` windows that have data, in order of time. */
export const readNewest = async (
  operation: SliceOperation,
  last: number,
  cellsOf: CellsOf,
  options: ReadOptions,
  limits: Limits,
): Promise<Newest> => {
  const live = takeLive(operation, options)
  const { moment, table, at, asOf } = live
  const starts = live.starts.slice(-last)
  const livePoints = windowPoints(operation, starts, live.slices, cellsOf, at)
  const missing = last - starts.length
  if (missing === 0 || live.from === Number.NEGATIVE_INFINITY) return { points: livePoints, moment, asOf }
  const need = storedNeed(operation, table, { from: Number.NEGATIVE_INFINITY, to: live.from })
  const stored = await options.stored.newest(operation, live.from, missing, need, limits)
  const older = stored.starts.slice(-missing)
  const points = [...windowPoints(operation, older, stored.slices, cellsOf, at), ...livePoints]
  return { points, moment, asOf, stored: { starts: older, positions: stored.positions } }
}
