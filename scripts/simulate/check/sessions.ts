import type { SessionRow } from '#schema/checkpoint.ts'
import { measureOf, stateFromJson } from '#schema/measures.ts'
import { sessionRowKey } from '#schema/session-rows.ts'
import { type Model, type SessionTotal, totalValue } from './model.ts'

type Key = Pick<SessionRow, 'metric' | 'version' | 'gap' | 'source' | 'session' | 'start'>

const keyOf = ({ metric, version, gap, source, session, start }: Key): string =>
  JSON.stringify([metric, version, gap, source, session, start])

const lineOf = (key: string, end: number, row: SessionRow | SessionTotal, value: number | null): string =>
  JSON.stringify([key, end, row.dims, row.events, row.corrections, value])

/** Sessions as a reader has them: the newest row of each series, and the latest end of all rows of a session. */
export const newestSessions = (model: Model, rows: readonly SessionRow[]): string[] => {
  const newest = new Map<string, SessionRow>()
  for (const row of rows) {
    const known = newest.get(sessionRowKey(row))
    if (!known || known.revision < row.revision) newest.set(sessionRowKey(row), row)
  }
  const kinds = new Map(model.sessions.map(({ metric, version, kind }) => [`${metric} ${version}`, kind]))
  const left = [...newest.values()].filter(({ retracted }) => !retracted)
  const ends = new Map<string, number>()
  for (const row of left) ends.set(keyOf(row), Math.max(row.end, ends.get(keyOf(row)) ?? 0))
  return left.map((row) => {
    const kind = kinds.get(`${row.metric} ${row.version}`) ?? 'COUNT'
    return lineOf(keyOf(row), ends.get(keyOf(row))!, row, measureOf({ kind }).value(stateFromJson(row)))
  })
}

export const expectedSessions = ({ sessions }: Model): string[] =>
  sessions.map((total) => lineOf(keyOf(total), total.end, total, totalValue(total)))
