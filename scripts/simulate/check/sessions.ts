import type { SessionRow } from '#schema/checkpoint.ts'
import { stateFromJson } from '#schema/measures.ts'
import { sessionRowKey } from '#schema/session-rows.ts'
import type { Model, SessionTotal } from './model.ts'
import { expectedValue, foundValue, UNKNOWN } from './values.ts'

type Key = Pick<SessionRow, 'metric' | 'version' | 'gap' | 'source' | 'session' | 'start'>

const keyOf = ({ metric, version, gap, source, session, start }: Key): string =>
  JSON.stringify([metric, version, gap, source, session, start])

const lineOf = (key: string, end: number, row: SessionRow | SessionTotal, value: string): string =>
  JSON.stringify([key, end, row.dims, row.events, row.corrections, value])

const seriesKey = (row: Key & Pick<SessionRow, 'dims'>): string => JSON.stringify([keyOf(row), row.dims])

/** Sessions as a reader has them: the newest row of each series, and the latest end of all rows of a session. */
export const newestSessions = (model: Model, rows: readonly SessionRow[]): string[] => {
  const newest = new Map<string, SessionRow>()
  for (const row of rows) {
    const known = newest.get(sessionRowKey(row))
    if (!known || known.revision < row.revision) newest.set(sessionRowKey(row), row)
  }
  const totals = new Map(model.sessions.map((total) => [seriesKey(total), total]))
  const left = [...newest.values()].filter(({ retracted }) => !retracted)
  const ends = new Map<string, number>()
  for (const row of left) ends.set(keyOf(row), Math.max(row.end, ends.get(keyOf(row)) ?? 0))
  return left.map((row) => {
    const { measure, values } = totals.get(seriesKey(row)) ?? UNKNOWN
    const value = foundValue(measure, stateFromJson(row), values)
    return lineOf(keyOf(row), ends.get(keyOf(row))!, row, value)
  })
}

export const expectedSessions = ({ sessions }: Model): string[] =>
  sessions.map((total) => lineOf(keyOf(total), total.end, total, expectedValue(total.measure, total.values)))
