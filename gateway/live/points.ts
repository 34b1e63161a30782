import { keptShare, type Measure, type MeasureDetail, type MeasureState } from '#schema/measures.ts'
import type { WindowStatus } from '#schema/status.ts'
import type { Cell, Cells, Sum } from './cells.ts'
import type { SliceOperation } from './operation.ts'
import type { Slice } from './slices.ts'
import { createSlidingSum } from './sliding-sum.ts'
import { type StatusTime, type Window, windowsOf } from './windows.ts'

/** A point of a metric. Times are milliseconds since 1970. */
export interface Point {
  windowStart: number
  windowEnd: number
  dimensions: (string | null)[]
  /** Null where nothing was measured. */
  value: number | null
  /** Of quantiles and topK. */
  detail: MeasureDetail
  events: number
  status: WindowStatus
  revision: number
  sampled: number
  capped: boolean
}

/** What a point says of the state of its measure. */
export const measured = (measure: Measure, state: MeasureState): Pick<Point, 'value' | 'detail' | 'sampled'> => ({
  value: measure.value(state),
  detail: measure.detail(state),
  sampled: keptShare(state),
})

/** Orders points of one window. */
export const compareDims = (a: Pick<Point, 'dimensions'>, b: Pick<Point, 'dimensions'>): number => {
  for (let i = 0; i < a.dimensions.length; i++) {
    const [left, right] = [a.dimensions[i] ?? '', b.dimensions[i] ?? '']
    if (left !== right) return left < right ? -1 : 1
  }
  return 0
}

type Measured = ReturnType<typeof measured>

const toPoint = (window: Window, dimensions: Point['dimensions'], sum: Sum, value: Measured): Point => ({
  windowStart: window.start,
  windowEnd: window.end,
  dimensions,
  value: value.value,
  detail: value.detail,
  sampled: value.sampled,
  events: sum.events,
  status: sum.correctedAt >= window.end ? window.corrected : window.status,
  revision: sum.revision,
  capped: window.capped,
})

/** A group whose points are wanted, and in which windows: in order of time. */
export interface Wanted {
  dimensions: Point['dimensions']
  /** What it has in a slice, by its place in the list of slices. */
  cellAt(index: number): Cell | undefined
  windows: readonly Window[]
}

const isOneSlice = ({ low, high }: Window): boolean => high - low === 1

/** The sums of a group in windows that come in order of time; undefined where it has nothing. */
const sumsOf = (measure: Measure, { cellAt, windows }: Wanted): ((window: Window) => Sum | undefined) => {
  // Of one slice there is nothing to add up.
  if (windows.every(isOneSlice)) return ({ low }) => cellAt(low)
  const sliding = createSlidingSum(measure)
  let next = 0
  return ({ low, high }) => {
    for (next = Math.max(next, low); next < high; next++) {
      const cell = cellAt(next)
      if (cell) sliding.add(next, cell)
    }
    return sliding.from(low)
  }
}

/** Points of one group, in order of time. */
const pointsOfGroup = (measure: Measure, group: Wanted): Point[] => {
  const points: Point[] = []
  const sumOf = sumsOf(measure, group)
  let last: { sum: Sum; value: Measured } | undefined
  for (const window of group.windows) {
    const sum = sumOf(window)
    if (!sum) continue
    // A window that is longer than there is data says the same as its neighbour.
    if (last?.sum !== sum) last = { sum, value: measured(measure, sum.state) }
    points.push(toPoint(window, group.dimensions, sum, last.value))
  }
  return points
}

/** Points of groups, by window and then by dimensions. */
export const pointsOfGroups = (measure: Measure, groups: Wanted[]): Point[] => {
  if (groups.length === 1) return pointsOfGroup(measure, groups[0])
  const byWindow = new Map<number, Point[]>()
  for (const group of groups.sort(compareDims)) {
    for (const point of pointsOfGroup(measure, group)) {
      const points = byWindow.get(point.windowStart)
      if (points) points.push(point)
      else byWindow.set(point.windowStart, [point])
    }
  }
  return [...byWindow].sort(([a], [b]) => a - b).flatMap(([, points]) => points)
}

/** All groups that have something in one of the windows. */
export const everyGroup = (
  windows: readonly Window[],
  slices: readonly Slice[],
  cellsOf: (slice: Slice) => Cells,
): Wanted[] => {
  if (windows.length === 0) return []
  const groups = new Map<string, Wanted>()
  const first = windows[0].low
  const last = windows[windows.length - 1].high
  const cells = slices.slice(first, last).map(cellsOf)
  for (const slice of cells) {
    for (const [key, { dims: dimensions }] of slice) {
      if (groups.has(key)) continue
      groups.set(key, { dimensions, cellAt: (index) => cells[index - first].get(key), windows })
    }
  }
  return [...groups.values()]
}

/** Windows that are summed up at once: their points are in memory together. */
const MOST_AT_ONCE = 64

/**
 * Points of the windows that start at `starts`, by window and then by dimensions. `starts` and `slices` are in order of
 * time. Ends early when there are more than `most`.
 */
export const windowPoints = (
  operation: SliceOperation,
  starts: readonly number[],
  slices: readonly Slice[],
  cellsOf: (slice: Slice) => Cells,
  at: StatusTime,
  most = Number.POSITIVE_INFINITY,
): Point[] => {
  const windows = windowsOf(operation, starts, slices, at)
  // Neighbours share their slices: a few windows at once would add up most of them anew each time.
  const step = Math.max(MOST_AT_ONCE, Math.ceil(operation.sizeMs / operation.sliceMs / 4))
  const points: Point[] = []
  for (let from = 0; from < windows.length && points.length <= most; from += step) {
    const groups = everyGroup(windows.slice(from, from + step), slices, cellsOf)
    for (const point of pointsOfGroups(operation.measure, groups)) points.push(point)
  }
  return points
}
