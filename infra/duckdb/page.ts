import type { DuckDBConnection, DuckDBValue } from '@duckdb/node-api'
import { type PageKey, pageCursors, pageSize } from '#infra/page-cursor.ts'
import type { Page } from '#schema/olap.ts'

/** A row's place in the order: milliseconds, then what tells rows of the same time apart. */
const KEY_TYPES = ['number', 'string', 'number', 'number', 'number'] as const
const cursors = pageCursors(KEY_TYPES)
const TIE_COLUMNS = ['id', '"partition"', 'sequence', '"index"']
/** Numbers as doubles: exact up to 2^53, and no bigint in JavaScript. */
const TIE_VALUES = ['id', '"partition"::DOUBLE', 'sequence::DOUBLE', '"index"::DOUBLE']

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
  const [ms, ...ties] = cursors.decode(after).map((value) => `$${values.push(value)}`)
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
  const first = pageSize(query.first)
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
    endCursor: last ? cursors.encode(last.slice(0, KEY_TYPES.length) as PageKey) : null,
    hasNextPage: rows.length > first,
  }
}
