import { MillraceError } from '#schema/errors.ts'
import { type MetricDefinition, sessionGaps } from '#schema/metric.ts'
import { formatDuration } from '#schema/time.ts'
import { dimensionTest } from './conditions.ts'
import { type OperationBase, resolveBase, type Selection } from './selection.ts'

/** Of session windows, which are never composed. */
export interface SessionOperation extends OperationBase {
  kind: 'SESSIONS'
  gapMs: number
  matchesSession(id: string): boolean
}

const checkGap = (definition: MetricDefinition, gapMs: number): void => {
  const gaps = sessionGaps(definition)
  if (gaps.includes(gapMs)) return
  const defined = gaps.length > 0 ? `those of the gap ${gaps.map(formatDuration).join(', ')}` : 'none'
  throw new MillraceError(
    'WINDOW_NOT_DEFINED',
    `metric ${definition.name} has no session windows of the gap ${formatDuration(gapMs)}; of sessions it has ${defined}. ` +
      'Sessions are not composed of others: ask for a gap that is defined, or define the metric with this one',
    { metric: definition.name, gaps: gaps.map(formatDuration) },
  )
}

/** The id of a session is asked for like a dimension, and comes first in every point. */
const SESSION_ID = 'sessionId'

/** Throws WINDOW_NOT_DEFINED, FIELD_NOT_A_DIMENSION or BAD_INPUT with what can be asked instead. */
export const resolveSessions = (
  tenant: string,
  definition: MetricDefinition,
  selection: Selection,
  gapMs: number,
): SessionOperation => {
  checkGap(definition, gapMs)
  const where = selection.where ?? []
  const ofSession = where.filter(({ field }) => field === SESSION_ID)
  const ofSeries = where.filter(({ field }) => field !== SESSION_ID)
  const tests = ofSession.map(dimensionTest)
  const windowKey = ['session', gapMs, ofSession.map(({ op, value }) => [op, value])]
  return {
    kind: 'SESSIONS',
    ...resolveBase(tenant, definition, { ...selection, where: ofSeries }, windowKey),
    gapMs,
    matchesSession: (id) => tests.every((test) => test(id)),
  }
}
