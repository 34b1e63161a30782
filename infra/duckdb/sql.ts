import { type DuckDBConnection, StatementType } from '@duckdb/node-api'
import { MillraceError } from '#schema/errors.ts'
import { toReadable } from './values.ts'

const MAX_ROWS = 500_000
const READS: readonly StatementType[] = [StatementType.SELECT, StatementType.EXPLAIN]

const refuse = (message: string, cause?: unknown): never => {
  throw new MillraceError('BAD_INPUT', message, {}, { cause })
}

/** DuckDB's own words about a statement, without the class of its errors in the code. */
const explain = (error: unknown): never => {
  // Interrupted: the pool says what happened.
  if (error instanceof MillraceError || (error instanceof Error && error.message.startsWith('INTERRUPT'))) throw error
  return refuse(error instanceof Error ? error.message : String(error), error)
}

/**
 * Runs one statement that reads: SELECT (WITH, FROM, VALUES, SHOW, DESCRIBE, SUMMARIZE) or EXPLAIN. The connection is in
 * a read-only transaction, and the instance has no access to files or settings, so what looks like a read cannot write.
 */
export const runSql = async (
  connection: DuckDBConnection,
  statement: string,
): Promise<{ columns: string[]; rows: unknown[][] }> => {
  if (statement.trim() === '') refuse('the statement is empty: expected one SELECT')
  const statements = await connection.extractStatements(statement).catch(explain)
  if (statements.count !== 1) refuse(`expected one statement, got ${statements.count}`)
  const prepared = await statements.prepare(0).catch(explain)
  try {
    if (!READS.includes(prepared.statementType)) {
      refuse('only statements that read are allowed: SELECT, WITH, SHOW, DESCRIBE, SUMMARIZE, EXPLAIN')
    }
    const reader = await prepared.streamAndReadUntil(MAX_ROWS + 1).catch(explain)
    if (reader.currentRowCount > MAX_ROWS) refuse(`more than ${MAX_ROWS} rows: add a LIMIT, or aggregate`)
    return { columns: reader.columnNames(), rows: reader.getRows().map((row) => row.map(toReadable)) }
  } finally {
    prepared.destroySync()
  }
}
