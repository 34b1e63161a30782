import { type MeasureState, mergeState } from '#schema/measures.ts'
import { seriesKey } from '#schema/metric.ts'
import { type TenantTime, windowStatus } from '#schema/status.ts'
import { compareDims, measured, type Point } from './points.ts'
import type { SessionOperation } from './session-operation.ts'
import type { SessionSeries, SessionWindow } from './session-table.ts'

interface Group {
  dims: (string | null)[]
  state: MeasureState
  events: number
  corrections: number
}

const groupSeries = (operation: SessionOperation, series: Iterable<SessionSeries>): Group[] => {
  const groups = new Map<string, Group>()
  for (const { dims, state, events, corrections } of series) {
    if (!operation.matches(dims)) continue
    const grouped = operation.groupOf(dims)
    const key = seriesKey(grouped)
    let group = groups.get(key)
    if (!group) {
      group = { dims: grouped, state: operation.measure.empty(), events: 0, corrections: 0 }
      groups.set(key, group)
    }
    mergeState(group.state, state)
    group.events += events
    group.corrections += corrections
  }
  return [...groups.values()]
}

/** In the order of their start, then of their dimensions. */
export const inOrder = (points: Point[]): Point[] =>
  points.sort((a, b) => a.windowStart - b.windowStart || compareDims(a, b))

/**
 * Points of one session, one for each group of its series, in any order. They change together: what one series adds may
 * move the end of all, so they share the session's revision. Those of a retracted session say that nothing is counted
 * there any more.
 */
export const sessionPoints = (
  operation: SessionOperation,
  session: SessionWindow,
  at: { time: TenantTime; horizonMs: number },
): Point[] => {
  const { id, start, end, counted, revision, capped } = session
  if (!operation.matchesSession(id)) return []
  return groupSeries(operation, session.series.values()).map(({ dims, state, events, corrections }): Point => {
    const point = { windowStart: start, windowEnd: end, dimensions: [id, ...dims], events, revision, capped }
    const whatIsMeasured = measured(operation.measure, state)
    if (counted === 0) return { ...point, ...whatIsMeasured, value: null, detail: null, status: 'RETRACTED' }
    return { ...point, ...whatIsMeasured, status: windowStatus(at.time, start, end, at.horizonMs, corrections > 0) }
  })
}
