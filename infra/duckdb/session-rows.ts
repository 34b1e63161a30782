import type { DuckDBConnection } from '@duckdb/node-api'
import type { SessionRow } from '#schema/checkpoint.ts'
import { newestSessionRows } from '#schema/session-rows.ts'
import { withSparseRows } from './given-rows.ts'
import { MEASURE_FROM_JSON, MEASURE_TYPES } from './measure-columns.ts'
import { rowJson } from './row-json.ts'
import { SESSION } from './session-tables.ts'
import type { Spool } from './spool.ts'

const COLUMNS = {
  tenant: 'VARCHAR',
  metric: 'VARCHAR',
  version: 'BIGINT',
  gap: 'BIGINT',
  source: 'VARCHAR',
  session: 'VARCHAR',
  start: 'BIGINT',
  end: 'BIGINT',
  dims: 'VARCHAR[]',
  events: 'BIGINT',
  corrections: 'BIGINT',
  ...MEASURE_TYPES,
  revision: 'BIGINT',
  retracted: 'BOOLEAN',
  ended: 'BIGINT',
  partition: 'INTEGER',
}

const insertSql = (table: string): string => `
INSERT INTO session_aggs BY NAME
SELECT tenant, metric, version, gap AS gap_ms, source, session AS session_id,
  epoch_ms(start) AS window_start, epoch_ms("end") AS window_end, dims, events, corrections, ${MEASURE_FROM_JSON},
  revision, coalesce(retracted, false) AS retracted, ended, epoch_ms($1::BIGINT) AS stored_at, "partition",
  false AS merged
FROM ${table}`

/** Rows of one partition. */
export interface PlacedSession {
  partition: number
  value: SessionRow
}

/** Appends the newest row of each series that there is in the batch. */
export const insertSessions = async (
  connection: DuckDBConnection,
  spool: Spool,
  rows: readonly PlacedSession[],
  now: number,
): Promise<void> => {
  if (rows.length === 0) return
  const placed = newestSessionRows(rows.map(({ partition, value }) => ({ ...value, partition })))
  await withSparseRows(connection, spool, placed.map(rowJson), COLUMNS, insertSql, [now])
}

const forgetSql = (table: string): string => `
DELETE FROM session_aggs WHERE ("partition", ${SESSION}) IN (
  SELECT ("partition", tenant, metric, version, gap, source, session, epoch_ms(start)) FROM ${table})`

/** Removes all that is stored of sessions, whatever their revision. */
export const forgetSessions = async (
  connection: DuckDBConnection,
  spool: Spool,
  rows: readonly PlacedSession[],
): Promise<void> => {
  if (rows.length === 0) return
  const placed = rows.map(({ partition, value }) => ({ ...value, partition }))
  await withSparseRows(connection, spool, placed.map(rowJson), COLUMNS, forgetSql)
}
