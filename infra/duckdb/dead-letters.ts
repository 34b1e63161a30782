import { type DuckDBConnection, type DuckDBValue, listValue } from '@duckdb/node-api'
import type { DeadLettersQuery, Page, StoredDeadLetter } from '#schema/olap.ts'
import { readPage } from './page.ts'

const toDeadLetter = (row: unknown[]): StoredDeadLetter => {
  const [id, code, message, path, event, at, watermark] = row
  return { id, code, message, path, event: JSON.parse(event as string), at, watermark } as StoredDeadLetter
}

const filterSql = ({ tenant, filter }: DeadLettersQuery): { where: string; values: DuckDBValue[] } => {
  const values: DuckDBValue[] = [tenant]
  let where = 'tenant = $1'
  const add = (sql: (parameter: string) => string, value: DuckDBValue | undefined): void => {
    if (value !== undefined) where += ` AND ${sql(`$${values.push(value)}`)}`
  }
  add((p) => `code = ${p}`, filter.code)
  add((p) => `name = ${p}`, filter.name)
  add((p) => `received_at >= epoch_ms(${p}::BIGINT)`, filter.from)
  add((p) => `received_at < epoch_ms(${p}::BIGINT)`, filter.to)
  if (filter.ids?.length === 0) where += ' AND false'
  else add((p) => `list_contains(${p}, id)`, filter.ids && listValue(filter.ids))
  return { where, values }
}

/** Dead letters of a tenant, newest first, and how many match in all. */
export const readDeadLetters = async (
  connection: DuckDBConnection,
  query: DeadLettersQuery,
): Promise<Page<StoredDeadLetter> & { total: number }> => {
  const filter = filterSql(query)
  const { first, after } = query
  const page = await readPage(
    connection,
    {
      from: 'dead_letters',
      ...filter,
      time: 'received_at',
      select: [
        'id',
        'code',
        'message',
        'path',
        'event',
        'epoch_ms(received_at)::DOUBLE',
        'epoch_ms(watermark)::DOUBLE',
      ],
      first,
      after,
    },
    toDeadLetter,
  )
  const count = `SELECT count(*)::DOUBLE FROM dead_letters WHERE ${filter.where}`
  const total = (await connection.runAndReadAll(count, filter.values)).getColumns()[0][0] as number
  return { ...page, total }
}
