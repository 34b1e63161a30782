import type { DuckDBConnection } from '@duckdb/node-api'
import { runPrepared } from './prepared.ts'

/** Runs `body` in a transaction: all of it or nothing. */
export const transaction = async <T>(connection: DuckDBConnection, body: () => Promise<T>): Promise<T> => {
  await runPrepared(connection, 'BEGIN')
  try {
    const result = await body()
    await runPrepared(connection, 'COMMIT')
    return result
  } catch (error) {
    // A commit that failed has ended the transaction by itself.
    await connection.run('ROLLBACK').catch(() => undefined)
    throw error
  }
}
