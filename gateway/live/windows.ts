import { type TenantTime, type WindowStatus, windowStatus } from '#schema/status.ts'
import type { SliceOperation } from './operation.ts'
import type { Slice } from './slices.ts'

/** Windows start at multiples of their slide, aligned to 1970. */
type Geometry = Pick<SliceOperation, 'sizeMs' | 'slideMs'>

/** Start of the last window that starts at or before `time`. */
export const startBefore = ({ slideMs }: Geometry, time: number): number => Math.floor(time / slideMs) * slideMs

/** Start of the first window that starts at or after `time`. */
export const startAfter = ({ slideMs }: Geometry, time: number): number => Math.ceil(time / slideMs) * slideMs

/** Start of the first window that holds the slice; the last one is startBefore(slice). */
const firstHolder = (operation: Geometry, sliceStart: number): number =>
  startBefore(operation, sliceStart - operation.sizeMs) + operation.slideMs

/** Starts of the windows that hold at least one of these slices, each once; both in order of time. */
export const startsOf = (operation: Geometry, slices: readonly Slice[]): number[] => {
  const starts: number[] = []
  let next = Number.NEGATIVE_INFINITY
  for (const slice of slices) {
    const last = startBefore(operation, slice.start)
    for (next = Math.max(next, firstHolder(operation, slice.start)); next <= last; next += operation.slideMs) {
      starts.push(next)
    }
  }
  return starts
}

/** Slices that windows with a start in [from, to) are made of, by their starts: what is to be read of them. */
export const slicesFor = ({ sizeMs, slideMs }: Geometry, from: number, to: number): { from: number; to: number } => ({
  from,
  to: to - slideMs + sizeMs,
})

export const inOrder = (slices: Iterable<Slice>): Slice[] => [...slices].sort((a, b) => a.start - b.start)

/** What all points of a window have in common. */
export interface Window {
  start: number
  end: number
  /** Its slices: [low, high) of the list of slices. */
  low: number
  high: number
  capped: boolean
  /** Of points that were not corrected, and of those that were. */
  status: WindowStatus
  corrected: WindowStatus
}

/** Clocks and horizon that statuses follow from. */
export interface StatusTime {
  time: TenantTime
  horizonMs: number
}

/** `starts` and `slices` in order of time. */
export const windowsOf = (
  { sizeMs }: Geometry,
  starts: readonly number[],
  slices: readonly Slice[],
  { time, horizonMs }: StatusTime,
): Window[] => {
  let low = 0
  let high = 0
  let cappedSlices = 0
  return starts.map((start) => {
    const end = start + sizeMs
    for (; high < slices.length && slices[high].start < end; high++) if (slices[high].capped) cappedSlices++
    for (; low < high && slices[low].start < start; low++) if (slices[low].capped) cappedSlices--
    return {
      start,
      end,
      low,
      high,
      capped: cappedSlices > 0,
      status: windowStatus(time, start, end, horizonMs, false),
      corrected: windowStatus(time, start, end, horizonMs, true),
    }
  })
}
