import type { DuckDBConnection } from '@duckdb/node-api'
import type { ArchivedPart } from '#processors/ports.ts'
import { minuteStart } from '#schema/ledger.ts'
import { withRows } from './given-rows.ts'
import type { Spool } from './spool.ts'
import { transaction } from './transaction.ts'

const COLUMNS = { tenant: 'VARCHAR', minute: 'BIGINT', events: 'BIGINT' }
const POSITION = 'SELECT coalesce(max(sequence), 0)::DOUBLE FROM archived_positions WHERE "partition" = $1'

const insertSql = (table: string): string =>
  `INSERT INTO archived_minutes SELECT tenant, epoch_ms(minute), events FROM ${table}`

/**
 * Adds what a chunk of the archive holds to the books, with its place in one transaction; what is there already is left
 * out. A store that is younger than the archive begins where that is.
 */
export const writeArchived = async (
  connection: DuckDBConnection,
  spool: Spool,
  { partition, to, counted }: ArchivedPart,
): Promise<void> => {
  const [[known]] = (await connection.runAndReadAll(POSITION, [partition])).getRows()
  if ((known as number) >= to) return
  const lines = counted.map((row) => JSON.stringify({ ...row, minute: minuteStart(row.minute) }))
  await transaction(connection, async () => {
    if (lines.length > 0) {
      await withRows(connection, spool, lines, COLUMNS, insertSql)
    }
    await connection.run('INSERT INTO archived_position_changes VALUES ($1, $2)', [partition, to])
  })
}
