import type { DuckDBConnection } from '@duckdb/node-api'
import { transaction } from './transaction.ts'

/**
 * A table to which every write appends what holds from then on, and a view of its newest rows. Nothing is updated in
 * place: a write that does waits for a checkpoint of the file that is under way (see checkpoints.ts).
 */
interface Newest {
  view: string
  table: string
  key: readonly string[]
  /** Grows with every row of a key. */
  by: string
  /** Columns of the view beside the key. */
  values: readonly string[]
}

const PARTITION = '"partition"'

const NEWEST: readonly Newest[] = [
  {
    view: 'positions',
    table: 'position_changes',
    key: [PARTITION],
    by: 'checkpoint',
    values: ['checkpoint', 'sequence'],
  },
  {
    view: 'fold_state',
    table: 'fold_state_changes',
    key: [PARTITION, 'kind', 'tenant', 'name'],
    by: 'checkpoint',
    values: ['value'],
  },
  {
    view: 'received_positions',
    table: 'received_position_changes',
    key: [PARTITION],
    by: 'sequence',
    values: ['sequence'],
  },
  {
    view: 'archived_positions',
    table: 'archived_position_changes',
    key: [PARTITION],
    by: 'sequence',
    values: ['sequence'],
  },
]

const viewSql = ({ view, table, key, by, values }: Newest): string => {
  const columns = [...key, ...values.map((value) => `arg_max(${value}, ${by}) AS ${value}`)]
  return `CREATE OR REPLACE VIEW ${view} AS SELECT ${columns.join(', ')} FROM ${table} GROUP BY ${key.join(', ')}`
}

export const NEWEST_VIEWS: readonly string[] = NEWEST.map(viewSql)

const IS_TABLE = 'SELECT count(*) > 0 FROM duckdb_tables() WHERE table_name = $1'

/** A store from before has tables of these names, whose rows were updated: they are the first that there are. */
export const renameUpdated = async (connection: DuckDBConnection): Promise<void> => {
  for (const { view, table } of NEWEST) {
    const [[isTable]] = (await connection.runAndReadAll(IS_TABLE, [view])).getRows()
    if (isTable) await connection.run(`ALTER TABLE ${view} RENAME TO ${table}`)
  }
}

/** Drops rows that are not the newest. What is written meanwhile is not seen here, and stays. */
export const dropReplaced = async (connection: DuckDBConnection): Promise<void> => {
  for (const { table, key, by } of NEWEST) {
    const columns = key.join(', ')
    const sql = `DELETE FROM ${table} WHERE (${columns}, ${by}) NOT IN (
      SELECT (${columns}, max(${by})) FROM ${table} GROUP BY ${columns})`
    await transaction(connection, () => connection.run(sql))
  }
}
