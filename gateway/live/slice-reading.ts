import { RETENTION } from '#schema/limits.ts'
import { changesSince } from './changes.ts'
import type { SliceOperation } from './operation.ts'
import { createPending } from './pending.ts'
import { isAfter } from './positions.ts'
import type { Reading } from './reading.ts'
import { type ReadOptions, readNewest, readRange } from './snapshot.ts'

/**
 * Windows leave after RETENTION.liveShort at the earliest. What left before a view was loaded is not known to it, so
 * cursors from longer ago than this are too old for it; half of it leaves room for clocks and delays.
 */
export const UNKNOWN_AFTER_MS = RETENTION.liveShort / 2

/** Tumbling and sliding windows. */
export const createSliceReading = (operation: SliceOperation, options: ReadOptions): Reading => {
  const { tenant, metric, version, slideMs, sliceMs } = operation
  const { view, stored } = options
  const horizonMs = options.horizonMs(tenant)
  const cellsOf = options.cells.of(operation)
  return {
    operation,
    range: (range, most, limits) => readRange(operation, range, most, cellsOf, options, limits),
    newest: (last, limits) => readNewest(operation, last, cellsOf, options, limits),
    changesSince: (since, now) => changesSince(operation, view, cellsOf, since, now, options.horizonMs(tenant)),
    pending: (onPoints) =>
      createPending({ operation, cellsOf, stored, time: () => view.moment(tenant).time, horizonMs, onPoints }),
    isTooOld({ moment, asOf }) {
      const table = view.table(tenant, metric, version, sliceMs)
      if (table && isAfter(table.forgotten, moment.positions)) return true
      const hasLeft = view.mark(tenant, metric, sliceMs) > Number.NEGATIVE_INFINITY
      return hasLeft && isAfter(view.loaded(), moment.positions) && view.asOf() - asOf > UNKNOWN_AFTER_MS
    },
    stepMs: slideMs,
  }
}
