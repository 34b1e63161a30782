import type { DuckDBConnection } from '@duckdb/node-api'
import { RETENTION } from '#schema/limits.ts'
import { transaction } from './transaction.ts'

const MINUTE = `date_trunc('minute', received_at)`
const EXPIRED = 'stored, late, invalid, refused, duplicate, moved'

/** Rows on their way out stay in the books, in the minute in which they had been received. Inside the transaction that drops them. */
export const expireInBooks = async (
  connection: DuckDBConnection,
  table: 'raw_events' | 'dead_letters' | 'duplicates',
  condition: string,
  before: number,
): Promise<void> => {
  const counts = {
    raw_events: 'count(*), 0, 0, 0, 0, 0',
    dead_letters: `0, count(*) FILTER (code = 'LATE'), count(*) FILTER (code = 'INVALID'), count(*) FILTER (refused), 0, 0`,
    duplicates: '0, 0, 0, 0, count(*), count(*) FILTER (late)',
  }[table]
  await connection.run(
    `INSERT INTO expired_minutes (tenant, minute, ${EXPIRED})
     SELECT tenant, ${MINUTE}, ${counts} FROM ${table} WHERE ${condition} GROUP BY tenant, ${MINUTE}`,
    [before],
  )
}

interface Summed {
  table: string
  key: string[]
  sums: string[]
}

const TABLES: readonly Summed[] = [
  { table: 'settled_minutes', key: ['tenant', 'minute'], sums: ['counted', 'late', 'duplicate', 'invalid'] },
  { table: 'archived_minutes', key: ['tenant', 'minute'], sums: ['events'] },
  { table: 'expired_minutes', key: ['tenant', 'minute'], sums: EXPIRED.split(', ') },
]

const sumsSql = (sums: readonly string[]): string =>
  sums.map((column) => `sum(${column})::BIGINT AS ${column}`).join(', ')

/** Rows of one minute become one. What is written meanwhile is not seen here, and stays. */
const mergeMinutes = async (connection: DuckDBConnection, { table, key, sums }: Summed): Promise<void> => {
  const columns = key.join(', ')
  await connection.run(`CREATE OR REPLACE TEMP TABLE merged AS
    SELECT ${columns}, ${sumsSql(sums)} FROM ${table} GROUP BY ${columns} HAVING count(*) > 1`)
  await connection.run(`DELETE FROM ${table} WHERE (${columns}) IN (SELECT (${columns}) FROM merged)`)
  await connection.run(`INSERT INTO ${table} (${columns}, ${sums.join(', ')}) SELECT * FROM merged`)
}

const RECEIVED_SUMS = ['accepted', 'rejected', 'shed']

/** The same for frames that are settled; the others are told apart by their place in the log. */
const mergeReceived = async (connection: DuckDBConnection): Promise<void> => {
  await connection.run(`CREATE OR REPLACE TEMP TABLE merged AS
    SELECT r."partition", max(r.sequence) AS sequence, tenant, minute, ${sumsSql(RECEIVED_SUMS)}
    FROM received_minutes r JOIN positions p USING ("partition") WHERE r.sequence <= p.sequence
    GROUP BY r."partition", tenant, minute HAVING count(*) > 1`)
  await connection.run(`DELETE FROM received_minutes r USING merged m
    WHERE r."partition" = m."partition" AND r.tenant = m.tenant AND r.minute = m.minute AND r.sequence <= m.sequence`)
  await connection.run('INSERT INTO received_minutes SELECT * FROM merged')
}

/** Keeps the books small: a row a minute, for as long as they are kept. */
export const maintainBooks = async (connection: DuckDBConnection, now: number): Promise<void> => {
  for (const table of TABLES) await transaction(connection, () => mergeMinutes(connection, table))
  await transaction(connection, () => mergeReceived(connection))
  await transaction(connection, async () => {
    for (const table of ['received_minutes', 'settled_minutes', 'archived_minutes', 'expired_minutes']) {
      await connection.run(`DELETE FROM ${table} WHERE minute < epoch_ms($1::BIGINT)`, [now - RETENTION.ledger])
    }
  })
}
