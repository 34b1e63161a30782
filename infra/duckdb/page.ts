import type { DuckDBConnection, DuckDBValue } from '@duckdb/node-api'
import { MillraceError } from '#schema/errors.ts'
import type { Page } from '#schema/olap.ts'

const MAX_PAGE = 10_000

/** A row's place in the order: milliseconds, then what tells rows of the same time apart. */
type PageKey = (string | number)[]
const KEY_TYPES = ['number', 'string', 'number', 'number', 'number']
const TIE_COLUMNS = ['id', '"partition"', 'sequence', '"index"']
/** Numbers as doubles: exact up to 2^53, and no bigint in JavaScript. */
const TIE_VALUES = ['id', '"partition"::DOUBLE', 'sequence::DOUBLE', '"index"::DOUBLE']

const encodeCursor = (key: PageKey): string => Buffer.from(JSON.stringify(key)).toString('base64url')

const isKey = (value: unknown): value is PageKey =>
  Array.isArray(value) &&
  value.length === KEY_TYPES.length &&
  value.every((part, i) => typeof part === KEY_TYPES[i] && (typeof part === 'string' || Number.isSafeInteger(part)))

const decodeCursor = (cursor: string): PageKey => {
  try {
    const key: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    if (isKey(key)) return key
  } catch {
    // Told below, with everything else that is no cursor.
  }
  throw new MillraceError('CURSOR_INVALID', 'the cursor is not one of a former answer; ask without it')
}

interface PageQuery {
  /** A table with id, partition, sequence and index: together they name one row. */
  from: string
  /** Condition with $1… for `values`. */
  where: string
  values: DuckDBValue[]
  /** A TIMESTAMP column: newest first. */
  time: string
  /** SQL of what a node is made of. */
  select: string[]
  first: number
  after?: string
}

const afterSql = ({ time, after }: PageQuery, values: DuckDBValue[]): string => {
  if (after === undefined) return ''
  const [ms, ...ties] = decodeCursor(after).map((value) => `$${values.push(value)}`)
  const at = `epoch_ms(${ms}::BIGINT)`
  // The first comparison follows from the second, but only it lets whole row groups be skipped.
  return ` AND ${time} <= ${at} AND (${[time, ...TIE_COLUMNS].join(', ')}) < (${[at, ...ties].join(', ')})`
}

/** Rows after the cursor, newest first, and whether there are more. Throws CURSOR_INVALID. */
export const readPage = async <T>(
  connection: DuckDBConnection,
  query: PageQuery,
  toNode: (row: unknown[]) => T,
): Promise<Page<T>> => {
  const { from, where, time, select } = query
  const first = Math.min(Math.max(1, Math.trunc(query.first)), MAX_PAGE)
  const values = [...query.values]
  const order = [time, ...TIE_COLUMNS].map((column) => `${column} DESC`).join(', ')
  const sql = `
    SELECT epoch_ms(${time})::DOUBLE, ${[...TIE_VALUES, ...select].join(', ')} FROM ${from}
    WHERE ${where}${afterSql(query, values)} ORDER BY ${order} LIMIT ${first + 1}`
  const rows = (await connection.runAndReadAll(sql, values)).getRows() as unknown[][]
  const shown = rows.slice(0, first)
  const last = shown.at(-1)
  return {
    nodes: shown.map((row) => toNode(row.slice(KEY_TYPES.length))),
    endCursor: last ? encodeCursor(last.slice(0, KEY_TYPES.length) as PageKey) : null,
    hasNextPage: rows.length > first,
  }
}
