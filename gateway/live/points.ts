import { keptShare, type MeasureDetail, type MeasureState, mergeState } from '#schema/measures.ts'
import { seriesKey } from '#schema/metric.ts'
import { type TenantTime, type WindowStatus, windowStatus } from '#schema/status.ts'
import type { SliceOperation } from './operation.ts'
import { isAfter, type Positions } from './positions.ts'
import type { Slice } from './slices.ts'

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

interface Group {
  dims: (string | null)[]
  /** Of the first series as long as it is the only one: never written to then. */
  state: MeasureState
  shared: boolean
  events: number
  correctedAt: number
  revision: number
  changed: boolean
}

const addTo = (groups: Map<string, Group>, operation: SliceOperation, slice: Slice, since?: Positions): void => {
  for (const series of slice.series.values()) {
    if (!operation.matches(series.dims)) continue
    const dims = operation.groupOf(series.dims)
    const key = seriesKey(dims)
    const { events, correctedAt, revision } = series
    const changed = !since || isAfter(series.changed, since)
    const group = groups.get(key)
    if (!group) {
      groups.set(key, { dims, state: series.state, shared: true, events, correctedAt, revision, changed })
      continue
    }
    if (group.shared) {
      const state = operation.measure.empty()
      mergeState(state, group.state)
      group.state = state
      group.shared = false
    }
    mergeState(group.state, series.state)
    group.events += events
    group.correctedAt = Math.max(group.correctedAt, correctedAt)
    group.revision += revision
    group.changed ||= changed
  }
}

const compareDims = (a: Point, b: Point): number => {
  for (let i = 0; i < a.dimensions.length; i++) {
    const [left, right] = [a.dimensions[i] ?? '', b.dimensions[i] ?? '']
    if (left !== right) return left < right ? -1 : 1
  }
  return 0
}

/**
 * Points of the window that is made of `slices`, in the order of their dimensions. With `since`, only those that
 * changed after it.
 */
export const windowPoints = (
  operation: SliceOperation,
  start: number,
  slices: Iterable<Slice>,
  at: { time: TenantTime; horizonMs: number },
  since?: Positions,
): Point[] => {
  const groups = new Map<string, Group>()
  let capped = false
  for (const slice of slices) {
    addTo(groups, operation, slice, since)
    capped ||= slice.capped
  }
  const end = start + operation.sizeMs
  const { measure } = operation
  const points: Point[] = []
  for (const { dims, state, events, correctedAt, revision, changed } of groups.values()) {
    if (!changed) continue
    points.push({
      windowStart: start,
      windowEnd: end,
      dimensions: dims,
      value: measure.value(state),
      detail: measure.detail(state),
      events,
      status: windowStatus(at.time, start, end, at.horizonMs, correctedAt >= end),
      revision,
      sampled: keptShare(state),
      capped,
    })
  }
  return points.sort(compareDims)
}

export const windowStart = (operation: SliceOperation, sliceStart: number): number =>
  Math.floor(sliceStart / operation.sizeMs) * operation.sizeMs

/** Slices of the window that starts at `start`, those that exist. */
export function* slicesOf<T>(operation: SliceOperation, slices: ReadonlyMap<number, T>, start: number): Generator<T> {
  for (let at = start; at < start + operation.sizeMs; at += operation.sliceMs) {
    const slice = slices.get(at)
    if (slice) yield slice
  }
}
