import type { DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { MillraceError } from '#schema/errors.ts'

/** Connections for questions: they see committed rows only and never wait for a write. */
interface QueryPool {
  /**
   * Runs `body` in a read-only transaction, so that all it reads is of one moment. Interrupted after the pool's
   * time-out: UNAVAILABLE.
   */
  query<T>(body: (connection: DuckDBConnection) => Promise<T>): Promise<T>
  /** Waits for the questions under way. */
  close(): Promise<void>
}

export const createQueryPool = (
  instance: DuckDBInstance,
  { connections, timeoutMs }: { connections: number; timeoutMs: number },
): QueryPool => {
  const idle: DuckDBConnection[] = []
  const waiting: (() => void)[] = []
  const underWay = new Set<Promise<unknown>>()
  let open = 0

  const take = async (): Promise<DuckDBConnection> => {
    while (idle.length === 0 && open >= connections) await new Promise<void>((resolve) => waiting.push(resolve))
    const connection = idle.pop()
    if (connection) return connection
    open++
    return instance.connect()
  }

  const run = async <T>(body: (connection: DuckDBConnection) => Promise<T>): Promise<T> => {
    const connection = await take()
    let expired = false
    const timer = setTimeout(() => {
      expired = true
      connection.interrupt()
    }, timeoutMs)
    try {
      await connection.run('BEGIN TRANSACTION READ ONLY')
      return await body(connection)
    } catch (error) {
      if (!expired) throw error
      const message = `the store took longer than ${timeoutMs / 1000} s: ask for a shorter range, or for less at once`
      throw new MillraceError('UNAVAILABLE', message, {}, { cause: error })
    } finally {
      clearTimeout(timer)
      await connection.run('ROLLBACK').catch(() => undefined)
      idle.push(connection)
      waiting.shift()?.()
    }
  }

  return {
    query(body) {
      const result = run(body)
      const settled = result.then(
        () => undefined,
        () => undefined,
      )
      underWay.add(settled)
      void settled.then(() => underWay.delete(settled))
      return result
    },
    async close() {
      while (underWay.size > 0) await Promise.all(underWay)
      for (const connection of idle) connection.closeSync()
    },
  }
}
