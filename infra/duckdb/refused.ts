import type { DuckDBConnection } from '@duckdb/node-api'

/** What the store cannot hold, and why. */
export interface Refused<T> {
  item: T
  reason: string
}

/** Whether an error is about what a row holds, so that the other rows can be stored without it. */
export const isRefusal = (error: unknown): boolean =>
  error instanceof Error && /^(Invalid Input|Conversion|Constraint|Out of Range) Error/.test(error.message)

/** DuckDB's words, without the file or the text that the row had come in. */
const reasonOf = (error: unknown): string =>
  (error as Error).message.split('\n')[0].replace(/ in file "[^"]*"| of input\b|\s+Input: .*$/g, '')

/** Finds the items that cannot be inserted, by halves; outside of a transaction. Leaves nothing behind. */
export const findRefused = async <T>(
  connection: DuckDBConnection,
  items: readonly T[],
  insert: (items: readonly T[]) => Promise<unknown>,
): Promise<Refused<T>[]> => {
  const attempt = async (some: readonly T[]): Promise<string | null> => {
    await connection.run('BEGIN')
    try {
      await insert(some)
      return null
    } catch (error) {
      if (!isRefusal(error)) throw error
      return reasonOf(error)
    } finally {
      await connection.run('ROLLBACK')
    }
  }
  const find = async (some: readonly T[]): Promise<Refused<T>[]> => {
    if (some.length === 0) return []
    const reason = await attempt(some)
    if (reason === null) return []
    if (some.length === 1) return [{ item: some[0], reason }]
    const middle = some.length >> 1
    return [...(await find(some.slice(0, middle))), ...(await find(some.slice(middle)))]
  }
  return find(items)
}

/** The items without those that were refused. */
export const without = <T>(items: readonly T[], refused: readonly Refused<T>[]): T[] => {
  const gone = new Set(refused.map(({ item }) => item))
  return items.filter((item) => !gone.has(item))
}
