import type { DuckDBConnection, DuckDBListValue, DuckDBValue } from '@duckdb/node-api'
import type { SessionRow } from '#schema/checkpoint.ts'
import type { NewestSessionsQuery, SessionsQuery, StoredSessions } from '#schema/olap.ts'
import { type SessionBound, sessionBounds, sessionKey } from '#schema/session-rows.ts'
import { readPartitions } from './fold-state.ts'
import { withRows } from './given-rows.ts'
import { MEASURE_VALUES, measureJson } from './measure-columns.ts'
import { readPositions } from './positions.ts'
import { rowJson } from './row-json.ts'
import { NEWEST_ROW, SESSION, SESSION_KEY } from './session-tables.ts'
import type { Spool } from './spool.ts'

const MOST_SESSIONS = 10_000
/** Rows that are looked at first for each session that is asked for, and how many times more when they were too few. */
const ROWS_A_SESSION = 4

const SELECTED = `tenant, metric, version::DOUBLE, gap_ms::DOUBLE, source, session_id,
  epoch_ms(window_start)::DOUBLE, epoch_ms(window_end)::DOUBLE, dims, events::DOUBLE, corrections::DOUBLE,
  revision::DOUBLE, retracted, ended::DOUBLE, ${MEASURE_VALUES}`
const FIXED = 14

const ORDER = 'window_start, source, session_id, dims'
const SERIES = 'tenant = $1 AND metric = $2 AND version = $3 AND gap_ms = $4'

const toRow = (values: readonly unknown[]): SessionRow => {
  const [tenant, metric, version, gap, source, session, start, end, dims, events, corrections] = values
  const [revision, retracted, ended] = values.slice(FIXED - 3, FIXED)
  return {
    ...({ tenant, metric, version, gap, source, session, start, end } as SessionRow),
    dims: [...(dims as DuckDBListValue).items] as (string | null)[],
    events: events as number,
    corrections: corrections as number,
    ...measureJson(values.slice(FIXED)),
    revision: revision as number,
    ...(retracted === true ? { retracted } : {}),
    ...(ended === null ? {} : { ended: ended as number }),
  }
}

const read = async (connection: DuckDBConnection, sql: string, values: DuckDBValue[]): Promise<SessionRow[]> =>
  (await connection.runAndReadAll(sql, values)).getRows().map(toRow)

/** Row ids of what holds of the rows that `where` leaves. */
const newestRows = (where: string): string =>
  `SELECT ${NEWEST_ROW} FROM session_aggs WHERE ${where} GROUP BY ${SESSION_KEY}`

/** Rows that hold and positions of one moment; the connection is in a transaction. */
export const readSessions = async (connection: DuckDBConnection, query: SessionsQuery): Promise<StoredSessions> => {
  const { tenant, metric, version, gap, from, to, retracted = false } = query
  const range = `${SERIES} AND window_start >= epoch_ms($5::BIGINT) AND window_start < epoch_ms($6::BIGINT)`
  const sql = `SELECT ${SELECTED} FROM session_aggs WHERE rowid IN (${newestRows(range)}) AND (NOT retracted OR $7)
    ORDER BY ${ORDER}`
  const rows = await read(connection, sql, [tenant, metric, version, gap, from, to, retracted])
  return { rows, positions: await readPositions(connection) }
}

const KEY_TYPES = {
  tenant: 'VARCHAR',
  metric: 'VARCHAR',
  version: 'BIGINT',
  gap: 'BIGINT',
  source: 'VARCHAR',
  session: 'VARCHAR',
  start: 'BIGINT',
  dims: 'VARCHAR[]',
}

const storedSql = (wanted: string): string => `
SELECT ${SELECTED} FROM session_aggs WHERE rowid IN (
  SELECT ${NEWEST_ROW} FROM session_aggs SEMI JOIN (
    SELECT tenant, metric, version, gap AS gap_ms, source, session AS session_id, epoch_ms(start) AS window_start, dims
    FROM ${wanted}) USING (${SESSION_KEY})
  WHERE window_start BETWEEN epoch_ms($1::BIGINT) AND epoch_ms($2::BIGINT) GROUP BY ${SESSION_KEY})`

/** What is stored of the series of these rows. The range lets most of the table be skipped. */
export const readSessionsOf = async (
  connection: DuckDBConnection,
  spool: Spool,
  rows: readonly SessionRow[],
): Promise<SessionRow[]> => {
  if (rows.length === 0) return []
  const starts = rows.map(({ start }) => start).sort((a, b) => a - b)
  const range = [starts[0], starts[starts.length - 1]]
  const lines = rows.map(({ tenant, metric, version, gap, source, session, start, dims }) =>
    rowJson({ ...{ tenant, metric, version, gap, source, session, start }, dims }),
  )
  const found = await withRows(connection, spool, lines, KEY_TYPES, storedSql, range)
  return (await found.getRows()).map(toRow)
}

const FLOOR = `
SELECT epoch_ms(min(window_start))::DOUBLE, count(*)::DOUBLE FROM (
  SELECT window_start FROM session_aggs WHERE ${SERIES} AND window_start < epoch_ms($5::BIGINT)
  ORDER BY window_start DESC LIMIT $6)`

const NEWEST = `
WITH held AS (
  SELECT rowid AS row, source, session_id, window_start FROM session_aggs
  WHERE rowid IN (${newestRows(`${SERIES} AND window_start >= epoch_ms($6::BIGINT) AND window_start < epoch_ms($5::BIGINT)`)})
    AND NOT retracted),
newest AS (
  SELECT DISTINCT window_start, source, session_id FROM held
  ORDER BY window_start DESC, source DESC, session_id DESC LIMIT $7)
SELECT ${SELECTED} FROM session_aggs
WHERE rowid IN (SELECT row FROM held SEMI JOIN newest USING (window_start, source, session_id))
ORDER BY ${ORDER}`

/**
 * The same, of the newest sessions before a time. Looks at as many of the newest rows as it takes and at no more, so that
 * memory goes with what is asked for and not with what is stored.
 */
export const readNewestSessions = async (
  connection: DuckDBConnection,
  query: NewestSessionsQuery,
): Promise<StoredSessions> => {
  const { tenant, metric, version, gap, before } = query
  const series = [tenant, metric, version, gap, before]
  const count = Math.min(Math.max(1, Math.trunc(query.count)), MOST_SESSIONS)
  for (let most = count * ROWS_A_SESSION; ; most *= ROWS_A_SESSION) {
    const [[floor, seen]] = (await connection.runAndReadAll(FLOOR, [...series, most])).getRows()
    const rows = floor === null ? [] : await read(connection, NEWEST, [...series, floor, count])
    if (seen === most && new Set(rows.map(sessionKey)).size < count) continue
    return { rows, positions: await readPositions(connection) }
  }
}

/** Rows of one series may have ended before the session did: it ends at the latest end of its rows. */
const OPEN = `
WITH bounds AS (
  SELECT unnest(from_json($2, '[{"tenant": "VARCHAR", "source": "VARCHAR", "closedBefore": "BIGINT"}]'), recursive := true)),
open AS (
  SELECT DISTINCT ${SESSION} FROM session_aggs LEFT JOIN bounds USING (tenant, source)
  WHERE "partition" = $1 AND epoch_ms(window_end) >= coalesce("closedBefore", -9e18))
SELECT ${SELECTED} FROM session_aggs
WHERE rowid IN (
    SELECT ${NEWEST_ROW} FROM session_aggs SEMI JOIN open USING (${SESSION})
    WHERE "partition" = $1 GROUP BY ${SESSION_KEY})
  AND NOT retracted
ORDER BY tenant, metric, ${ORDER}`

/** Sessions of a partition that an event after its position may still change. */
export const readOpenSessions = async (connection: DuckDBConnection, partition: number): Promise<SessionRow[]> => {
  const state = (await readPartitions(connection))[partition]
  const bounds: SessionBound[] = sessionBounds(state)
  return read(connection, OPEN, [partition, JSON.stringify(bounds)])
}
