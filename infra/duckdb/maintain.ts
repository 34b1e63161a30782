import type { DuckDBConnection } from '@duckdb/node-api'
import { type Kept, RETENTION } from '#schema/limits.ts'
import { expireInBooks, maintainBooks } from './ledger-upkeep.ts'
import { shortened } from './measure-columns.ts'
import { dropReplaced } from './newest.ts'
import { NEWEST_ROW, SESSION, SESSION_KEY } from './session-tables.ts'
import { AGGREGATE_TABLES, MERGED_COLUMNS, mergedRows } from './tables.ts'
import { transaction } from './transaction.ts'

const KEY = 'tenant, metric, version, size_ms, window_start, window_end'

/**
 * Rows of windows that changed since the last time become one row per series. Reads and rewrites those windows only.
 * New rows that are written meanwhile are not seen here, and stay.
 */
const mergeDeltas = async (connection: DuckDBConnection, table: string): Promise<void> => {
  const columns = MERGED_COLUMNS.map((column) => `"${column}"`)
  await connection.run(`CREATE OR REPLACE TEMP TABLE changed AS SELECT DISTINCT ${KEY} FROM ${table} WHERE NOT merged`)
  const ofChanged = `${table} SEMI JOIN changed USING (${KEY})`
  await connection.run(`CREATE OR REPLACE TEMP TABLE sums AS
    ${mergedRows(`${KEY}, dims`, ofChanged, 'max(stored_at) AS stored_at, true AS merged')}`)
  for (const statement of shortened('sums')) await connection.run(statement)
  await connection.run(`DELETE FROM ${table} WHERE (${KEY}) IN (SELECT (${KEY}) FROM changed)`)
  await connection.run(`INSERT INTO ${table} (${KEY}, dims, ${columns.join(', ')}, stored_at, merged)
    SELECT ${KEY}, dims, ${columns.join(', ')}, stored_at, merged FROM sums`)
}

/** Only sessions with new rows are looked at. Rows that are written meanwhile are not seen here, and stay. */
const dropReplacedSessions = async (connection: DuckDBConnection): Promise<void> => {
  await connection.run(`CREATE OR REPLACE TEMP TABLE held AS
    SELECT ${NEWEST_ROW} AS held FROM session_aggs
    SEMI JOIN (SELECT DISTINCT ${SESSION} FROM session_aggs WHERE NOT merged) USING (${SESSION})
    GROUP BY ${SESSION_KEY}`)
  await connection.run(`DELETE FROM session_aggs WHERE rowid NOT IN (SELECT held FROM held)
    AND (${SESSION}) IN (SELECT (${SESSION}) FROM session_aggs WHERE NOT merged)`)
  await connection.run('UPDATE session_aggs SET merged = true WHERE NOT merged')
}

/** Rows that go are counted, so that totals and books stay what they were. */
const expireEvents = async (connection: DuckDBConnection, before: number): Promise<void> => {
  const old = (column: string): string => `${column} < epoch_ms($1::BIGINT)`
  await expireInBooks(connection, 'raw_events', old('received_at'), before)
  await expireInBooks(connection, 'dead_letters', old('stored_at'), before)
  await expireInBooks(connection, 'duplicates', old('received_at'), before)
  await connection.run(`DELETE FROM duplicates WHERE ${old('received_at')}`, [before])
  await connection.run(
    `INSERT INTO counters SELECT tenant, 'expired_stored', count(*) FROM raw_events WHERE ${old('received_at')}
     GROUP BY tenant`,
    [before],
  )
  await connection.run(`DELETE FROM raw_events WHERE ${old('received_at')}`, [before])
  await connection.run(
    `INSERT INTO counters
     SELECT tenant, CASE WHEN code = 'LATE' THEN 'expired_late' ELSE 'expired_invalid' END AS counter, count(*)
     FROM dead_letters WHERE ${old('stored_at')} GROUP BY ALL`,
    [before],
  )
  await connection.run(`DELETE FROM dead_letters WHERE ${old('stored_at')}`, [before])
}

const mergeCounters = async (connection: DuckDBConnection): Promise<void> => {
  await connection.run(`CREATE OR REPLACE TEMP TABLE counted AS
    SELECT tenant, name, sum(value)::BIGINT AS value FROM counters GROUP BY tenant, name`)
  await connection.run('DELETE FROM counters')
  await connection.run('INSERT INTO counters SELECT * FROM counted')
}

/**
 * Retention, by when something was received or last changed, never by the time inside it: logs of 2015 that are
 * imported today are kept as long as today's events. The connection is not the writer's, so writes go on meanwhile.
 */
export const maintainTables = async (connection: DuckDBConnection, now: number, kept: Kept): Promise<void> => {
  const keptRows = { minly_aggs: kept.minlyAggs, hourly_aggs: kept.hourlyAggs }
  await transaction(connection, () => expireEvents(connection, now - kept.rawEvents))
  await transaction(connection, () => mergeCounters(connection))
  await dropReplaced(connection)
  await maintainBooks(connection, now)
  for (const table of AGGREGATE_TABLES) {
    await transaction(connection, () => mergeDeltas(connection, table))
    const sql = `DELETE FROM ${table} WHERE stored_at < epoch_ms($1::BIGINT)`
    await connection.run(sql, [now - keptRows[table]])
  }
  await transaction(connection, () => dropReplacedSessions(connection))
  await connection.run('DELETE FROM session_aggs WHERE stored_at < epoch_ms($1::BIGINT)', [now - kept.sessionAggs])
  await connection.run('DELETE FROM corrections WHERE stored_at < epoch_ms($1::BIGINT)', [now - RETENTION.corrections])
  await connection.run('DELETE FROM markers WHERE stored_at < epoch_ms($1::BIGINT)', [now - RETENTION.markers])
}
