import type { DuckDBConnection } from '@duckdb/node-api'

/** Runs `body` in a transaction: all of it or nothing. */
export const transaction = async <T>(connection: DuckDBConnection, body: () => Promise<T>): Promise<T> => {
  await connection.run('BEGIN')
  try {
    const result = await body()
    await connection.run('COMMIT')
    return result
  } catch (error) {
    // A commit that failed has ended the transaction by itself.
    await connection.run('ROLLBACK').catch(() => undefined)
    throw error
  }
}
