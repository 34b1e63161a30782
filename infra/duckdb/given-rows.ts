import {
  DuckDBBlobValue,
  type DuckDBConnection,
  type DuckDBMaterializedResult,
  type DuckDBValue,
} from '@duckdb/node-api'
import { runPrepared } from './prepared.ts'
import type { Spool } from './spool.ts'

/**
 * In characters, or bytes. Past this a file costs less than a parameter. Up to there the parameter does: its statement
 * is planned once, where one that reads a file is planned at every run.
 */
const MOST_LENGTH = 1_000_000

type WithRows = (
  connection: DuckDBConnection,
  spool: Spool,
  lines: readonly string[],
  columns: Record<string, string>,
  sql: (table: string) => string,
  values?: readonly DuckDBValue[],
) => Promise<DuckDBMaterializedResult>

const withRowsBy =
  (fromJson: string): WithRows =>
  (connection, spool, lines, columns, sql, values = []) => {
    const characters = lines.reduce((sum, line) => sum + line.length, 0)
    if (characters > MOST_LENGTH) {
      return spool.with(lines, columns, (table) => runPrepared(connection, sql(table), values))
    }
    const types = `'[${JSON.stringify(columns)}]'`
    const table = `(SELECT unnest(${fromJson}($${values.length + 1}::VARCHAR, ${types}), max_depth := 2))`
    return runPrepared(connection, sql(table), [...values, `[${lines.join(',')}]`])
  }

/**
 * Runs a statement on rows of JSON, one a line, that each have all of `columns` (name: type). `sql` gets them as a table;
 * `values` are its $1, $2 …. What does not fit a column is an error.
 */
export const withRows = withRowsBy('from_json_strict')

/**
 * The same of rows that need not have all of the columns: what is not there is NULL, and so is (of few rows) what does
 * not fit, which a table refuses where it may not be.
 */
export const withSparseRows = withRowsBy('from_json')

const NEWLINE = '\n'.charCodeAt(0)
const parameterLines = (columns: Record<string, string>): string =>
  `(SELECT unnest(from_json(line, '${JSON.stringify(columns)}'))
    FROM (SELECT unnest(string_split(decode($1::BLOB), chr(${NEWLINE}))) AS line))`

/** As withSparseRows, of lines as bytes, each with a newline. */
export const withLines = (
  connection: DuckDBConnection,
  spool: Spool,
  lines: Uint8Array,
  columns: Record<string, string>,
  sql: (table: string) => string,
): Promise<DuckDBMaterializedResult> => {
  if (lines.length > MOST_LENGTH) return spool.with(lines, columns, (table) => runPrepared(connection, sql(table)))
  const blob = new DuckDBBlobValue(lines.subarray(0, -1))
  return runPrepared(connection, sql(parameterLines(columns)), [blob])
}
