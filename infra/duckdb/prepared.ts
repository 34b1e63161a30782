import type { DuckDBConnection, DuckDBPreparedStatement, DuckDBResultReader, DuckDBValue } from '@duckdb/node-api'

const statements = new WeakMap<DuckDBConnection, Map<string, Promise<DuckDBPreparedStatement>>>()

/**
 * Runs a statement that the connection has run before without planning it anew, which takes longer than most answers.
 * For texts of the program, of which there are few: all of them are kept for as long as the connection.
 */
export const runPrepared = async (
  connection: DuckDBConnection,
  sql: string,
  values: readonly DuckDBValue[] = [],
): Promise<DuckDBResultReader> => {
  const known = statements.get(connection) ?? new Map<string, Promise<DuckDBPreparedStatement>>()
  statements.set(connection, known)
  const prepared = known.get(sql) ?? connection.prepare(sql)
  known.set(sql, prepared)
  const statement = await prepared
  statement.bind([...values])
  return statement.runAndReadAll()
}
