import type { DuckDBConnection, DuckDBResultReader, DuckDBValue } from '@duckdb/node-api'
import { runPrepared } from './prepared.ts'
import type { Spool } from './spool.ts'

/** Past this many characters a file costs less to read than a parameter. */
const MOST_CHARACTERS = 16_384

/** Strict, as reading a file is: what does not fit a column is an error, and not NULL. */
const parameterRows = (columns: Record<string, string>, parameter: number): string =>
  `(SELECT unnest(from_json_strict($${parameter}, '[${JSON.stringify(columns)}]'), max_depth := 2))`

/**
 * Runs a statement on rows of JSON, one a line, that each have all of `columns` (name: type). `sql` gets them as a table;
 * `values` are its $1, $2 …. Few rows come as one more parameter, many by the spool; either way it is planned once.
 */
export const withRows = (
  connection: DuckDBConnection,
  spool: Spool,
  lines: readonly string[],
  columns: Record<string, string>,
  sql: (table: string) => string,
  values: readonly DuckDBValue[] = [],
): Promise<DuckDBResultReader> => {
  const characters = lines.reduce((sum, line) => sum + line.length, 0)
  if (characters > MOST_CHARACTERS) {
    return spool.with(lines, columns, (table) => runPrepared(connection, sql(table), values))
  }
  const text = `[${lines.join(',')}]`
  return runPrepared(connection, sql(parameterRows(columns, values.length + 1)), [...values, text])
}
