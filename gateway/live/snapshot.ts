import { neededFor } from './changes.ts'
import type { LiveView, Moment } from './live-view.ts'
import type { SliceOperation } from './operation.ts'
import { type Point, slicesOf, windowPoints, windowStart } from './points.ts'
import { noPositions, type Positions, raise } from './positions.ts'
import type { Range } from './ranges.ts'
import type { Answer, Limits, Newest } from './reading.ts'
import type { Slice, SliceTable } from './slices.ts'
import type { StoredWindows } from './stored.ts'

export interface ReadOptions {
  view: LiveView
  stored: StoredWindows
  horizonMs: (tenant: string) => number
}

const NO_SLICES: ReadonlyMap<number, Slice> = new Map()

/** Start of the first window of which no slice has left the live view. -Infinity when none ever has. */
export const firstLive = (operation: SliceOperation, mark: number): number =>
  Math.ceil(mark / operation.sizeMs) * operation.sizeMs

/** What the store must hold to answer for windows in [from, to): all that has left, and all that changed since. */
export const storedNeed = (
  operation: SliceOperation,
  table: SliceTable | undefined,
  from: number,
  to: number,
): Positions => {
  if (!table) return noPositions(0)
  const need = [...table.forgotten]
  for (const slice of table.slices.values()) {
    const start = windowStart(operation, slice.start)
    if (start >= from && start < to) raise(need, neededFor(operation, table, start))
  }
  return need
}

const pointsOfWindows = (
  operation: SliceOperation,
  slices: ReadonlyMap<number, Slice>,
  starts: Iterable<number>,
  at: { time: Moment['time']; horizonMs: number },
): Point[] =>
  [...starts]
    .sort((a, b) => a - b)
    .flatMap((start) => windowPoints(operation, start, slicesOf(operation, slices, start), at))

const startsOf = (operation: SliceOperation, slices: ReadonlyMap<number, Slice>): Set<number> =>
  new Set([...slices.keys()].map((start) => windowStart(operation, start)))

/** The live side of an answer, taken at one moment. */
const takeLive = (operation: SliceOperation, { view, horizonMs }: ReadOptions) => {
  const { tenant, metric, version, sliceMs } = operation
  const moment = view.moment(tenant)
  const table = view.table(tenant, metric, version, sliceMs)
  const slices = table?.slices ?? NO_SLICES
  const from = firstLive(operation, view.mark(tenant, metric, sliceMs))
  const at = { time: moment.time, horizonMs: horizonMs(tenant) }
  const starts = [...startsOf(operation, slices)].filter((start) => start >= from)
  return { moment, table, slices, from, at, starts, asOf: view.asOf() }
}

/** Windows whose start lies in [from, to), in order of time: each either from the live view or from the store. */
export const readRange = async (
  operation: SliceOperation,
  range: Range,
  options: ReadOptions,
  limits: Limits,
): Promise<Answer> => {
  const { sizeMs } = operation
  const [first, end] = [Math.ceil(range.from / sizeMs) * sizeMs, Math.ceil(range.to / sizeMs) * sizeMs]
  const live = takeLive(operation, options)
  const { moment, table, at, asOf } = live
  const starts = live.starts.filter((start) => start >= first && start < end)
  const livePoints = pointsOfWindows(operation, live.slices, starts, at)
  const to = Math.min(live.from, end)
  if (to <= first) return { points: livePoints, moment, asOf }
  const need = storedNeed(operation, table, first, to)
  const { slices } = await options.stored.read(operation, { from: first, to }, need, limits)
  const older = pointsOfWindows(operation, slices, startsOf(operation, slices), at)
  return { points: [...older, ...livePoints], moment, asOf }
}

/** The newest `last` windows that have data, in order of time. */
export const readNewest = async (
  operation: SliceOperation,
  last: number,
  options: ReadOptions,
  limits: Limits,
): Promise<Newest> => {
  const live = takeLive(operation, options)
  const { moment, table, at, asOf } = live
  const starts = live.starts.sort((a, b) => b - a).slice(0, last)
  const livePoints = pointsOfWindows(operation, live.slices, starts, at)
  const missing = last - starts.length
  if (missing === 0 || live.from === Number.NEGATIVE_INFINITY) return { points: livePoints, moment, asOf }
  const need = storedNeed(operation, table, Number.NEGATIVE_INFINITY, live.from)
  const { slices, positions } = await options.stored.newest(operation, live.from, missing, need, limits)
  const older = [...startsOf(operation, slices)].sort((a, b) => b - a).slice(0, missing)
  const points = [...pointsOfWindows(operation, slices, older, at), ...livePoints]
  return { points, moment, asOf, stored: { starts: older, positions } }
}
