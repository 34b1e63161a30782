import { MOST_SESSION_MS } from '#schema/limits.ts'
import { windowStatus } from '#schema/status.ts'
import type { Moment } from './live-view.ts'
import { movedSpans } from './moved-time.ts'
import type { Point } from './points.ts'
import type { SessionOperation } from './session-operation.ts'
import { inOrder, sessionPoints } from './session-points.ts'
import { changedSessions, type LiveSession, type SessionTable } from './session-table.ts'

/** Sessions whose status is another one than then. */
const restatedSessions = (table: SessionTable, since: Moment, now: Moment, horizonMs: number): Set<LiveSession> => {
  const restated = new Set<LiveSession>()
  if (since.time === now.time) return restated
  const look = (session: LiveSession): void => {
    const { start, end, counted } = session
    if (counted === 0) return
    const then = windowStatus(since.time, start, end, horizonMs, false)
    if (then !== windowStatus(now.time, start, end, horizonMs, false)) restated.add(session)
  }
  const { ends, starts } = movedSpans(since.time, now.time, horizonMs, MOST_SESSION_MS + table.gap)
  for (const { from, to } of ends) for (const session of table.byEnd.around(from, to)) look(session)
  for (const { from, to } of starts) for (const session of table.byStart.around(from, to)) look(session)
  return restated
}

/**
 * What a reader that has seen all up to `since` has not seen: points of sessions that changed, that were retracted though
 * it may have seen them, or whose status changed. By start, then by dimensions.
 */
export const sessionChanges = (
  operation: SessionOperation,
  table: SessionTable,
  since: Moment,
  now: Moment,
  horizonMs: number,
): Point[] => {
  const moved = restatedSessions(table, since, now, horizonMs)
  for (const session of changedSessions(table, since.positions)) {
    const wasSeen = session.born <= since.positions[session.partition]
    if (session.counted > 0 || wasSeen) moved.add(session)
  }
  const at = { time: now.time, horizonMs }
  return inOrder([...moved].flatMap((session) => sessionPoints(operation, session, at)))
}
