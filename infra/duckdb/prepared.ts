import {
  type DuckDBConnection,
  type DuckDBMaterializedResult,
  type DuckDBPreparedStatement,
  type DuckDBResultReader,
  DuckDBTypeId,
  type DuckDBValue,
} from '@duckdb/node-api'

const statements = new WeakMap<DuckDBConnection, Map<string, Promise<DuckDBPreparedStatement>>>()

/** Rejects when a parameter has no type: DuckDB would plan the statement anew at every run, and never say so. */
const prepare = async (connection: DuckDBConnection, sql: string): Promise<DuckDBPreparedStatement> => {
  const statement = await connection.prepare(sql)
  for (let i = 1; i <= statement.parameterCount; i++) {
    if (statement.parameterTypeId(i) === DuckDBTypeId.INVALID) throw new Error(`$${i} needs a cast to its type: ${sql}`)
  }
  return statement
}

/** With a value of another type than its own a parameter has the statement planned anew as well. */
const bindAs = (statement: DuckDBPreparedStatement, parameter: number, value: DuckDBValue): void => {
  const type = statement.parameterType(parameter)
  const isBigint = type.typeId === DuckDBTypeId.BIGINT && typeof value === 'number'
  statement.bindValue(parameter, isBigint ? BigInt(Math.round(value)) : value, type)
}

/** For texts of the program, of which there are few: all of them are kept for as long as the connection. */
const bound = async (
  connection: DuckDBConnection,
  sql: string,
  values: readonly DuckDBValue[],
): Promise<DuckDBPreparedStatement> => {
  const known = statements.get(connection) ?? new Map<string, Promise<DuckDBPreparedStatement>>()
  statements.set(connection, known)
  const prepared = known.get(sql) ?? prepare(connection, sql)
  known.set(sql, prepared)
  const statement = await prepared
  for (const [i, value] of values.entries()) bindAs(statement, i + 1, value)
  return statement
}

/** Runs a statement that the connection has run before without planning it anew, which takes longer than most answers. */
export const runPrepared = async (
  connection: DuckDBConnection,
  sql: string,
  values: readonly DuckDBValue[] = [],
): Promise<DuckDBMaterializedResult> => (await bound(connection, sql, values)).run()

/** The same of a question; reads all of the answer. */
export const readPrepared = async (
  connection: DuckDBConnection,
  sql: string,
  values: readonly DuckDBValue[] = [],
): Promise<DuckDBResultReader> => (await bound(connection, sql, values)).runAndReadAll()
