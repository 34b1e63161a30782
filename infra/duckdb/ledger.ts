import type { DuckDBConnection } from '@duckdb/node-api'
import type { Ledger, LedgerQuery } from '#schema/olap.ts'
import { ledgerSql } from './ledger-tables.ts'

const BOOKS = ledgerSql({
  minutes: 'tenant = $1 AND minute >= epoch_ms($2::BIGINT) AND minute < epoch_ms($3::BIGINT)',
  received: 'tenant = $1 AND received_at >= epoch_ms($2::BIGINT) AND received_at < epoch_ms($3::BIGINT)',
})

/** Headers that are not read as far as settlements are cannot be compared, but in minutes that are over. */
const BEHIND = `
SELECT bool_or(r.sequence < p.sequence) FROM received_positions r JOIN positions p USING ("partition")`

const COLUMNS = [
  'accepted',
  'counted',
  'late',
  'duplicate',
  'invalid',
  'shed',
  'rejected',
  'stored',
  'archived',
] as const

const SQL = `
SELECT ${COLUMNS.map((column) => `coalesce(sum(${column}), 0)::DOUBLE`).join(', ')},
  coalesce(bool_and(balanced OR
    ((${BEHIND}) AND NOT coalesce(minute + INTERVAL 1 MINUTE <= epoch_ms($4::BIGINT), false))), true)
FROM (${BOOKS})`

/** The books of a tenant over whole minutes. */
export const readLedger = async (
  connection: DuckDBConnection,
  { tenant, from, to, settledUntil }: LedgerQuery,
): Promise<Ledger> => {
  const [row] = (await connection.runAndReadAll(SQL, [tenant, from, to, settledUntil])).getRowsJS()
  const counts = Object.fromEntries(COLUMNS.map((column, i) => [column, row[i]]))
  return { ...counts, balanced: row[COLUMNS.length], settledUntil } as unknown as Ledger
}
