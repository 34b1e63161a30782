import type { Pending } from './pending.ts'
import { isAfter } from './positions.ts'
import type { Reading } from './reading.ts'
import { sessionChanges } from './session-changes.ts'
import type { SessionOperation } from './session-operation.ts'
import { readNewestSessions, readSessions } from './session-snapshot.ts'
import { UNKNOWN_AFTER_MS } from './slice-reading.ts'
import type { ReadOptions } from './snapshot.ts'

/** What has left the live view never changes again: there is nothing to wait for. */
const NOTHING_PENDING: Pending = {
  ranges: () => [],
  addBacklog() {},
  noteSent() {},
  add() {},
  async read() {},
  take: () => [],
}

/** Session windows: each wholly from the live view, or wholly from the store once it has left the live view. */
export const createSessionReading = (operation: SessionOperation, options: ReadOptions): Reading => {
  const { tenant, metric, version, gapMs } = operation
  const { view, horizonMs } = options
  return {
    operation,
    range: (range, _most, limits) => readSessions(operation, range, options, limits),
    newest: (last, limits) => readNewestSessions(operation, last, options, limits),
    changesSince(since, now) {
      const table = view.sessionTable(tenant, metric, version, gapMs)
      const points = table ? sessionChanges(operation, table, since, now, horizonMs(tenant)) : []
      return { points, stored: new Map() }
    },
    pending: () => NOTHING_PENDING,
    isTooOld({ moment, asOf }) {
      const table = view.sessionTable(tenant, metric, version, gapMs)
      if (table && isAfter(table.forgotten, moment.positions)) return true
      const someLeft = view.sessionMark(tenant, metric, gapMs) > Number.NEGATIVE_INFINITY
      return someLeft && isAfter(view.loaded(), moment.positions) && view.asOf() - asOf > UNKNOWN_AFTER_MS
    },
    stepMs: gapMs,
  }
}
