import type { DuckDBConnection } from '@duckdb/node-api'
import type { OlapPart } from '#processors/ports.ts'
import type { Spool } from './spool.ts'
import { identitySql, idSql } from './tables.ts'

/** A line of a counted event with its place in the log. */
export interface RawLine {
  partition: number
  sequence: number
  index: number
  line: string
}

/** A line that the store cannot hold, and why. */
export interface RefusedLine extends RawLine {
  reason: string
}

export const rawLines = (parts: readonly OlapPart[]): RawLine[] =>
  parts.flatMap(({ partition, raw }) =>
    raw.flatMap(({ sequence, lines, indexes }) =>
      lines.map((line, i) => ({ partition, sequence, index: indexes[i], line })),
    ),
  )

const COLUMNS = {
  p: 'INTEGER',
  s: 'BIGINT',
  i: 'INTEGER',
  tenant: 'VARCHAR',
  source: 'VARCHAR',
  receivedAt: 'BIGINT',
  time: 'BIGINT',
  key: 'VARCHAR',
  weight: 'DOUBLE',
  country: 'VARCHAR',
  browser: 'VARCHAR',
  os: 'VARCHAR',
  device: 'VARCHAR',
  schema: 'INTEGER',
  e: 'STRUCT(id VARCHAR, name VARCHAR, "userId" VARCHAR, "anonymousId" VARCHAR, properties JSON, context JSON)',
}

const insertSql = (table: string): string => `
INSERT INTO raw_events
SELECT tenant, source, e.id, e.name, epoch_ms(time), epoch_ms("receivedAt"), key, e."userId", e."anonymousId",
  e.properties, e.context, country, browser, os, device, weight, schema, p, s, i,
  ${identitySql('tenant', 'source', 'key', 'e.id')}, ${idSql('tenant', 'e.id')}
FROM ${table}`

/** The place goes to the front of the line's own JSON object: nothing is parsed here. */
const withPlace = ({ partition, sequence, index, line }: RawLine): string =>
  `{"p":${partition},"s":${sequence},"i":${index},${line.slice(line.indexOf('{') + 1)}`

/** Inserts the lines; rejects as a whole when DuckDB refuses one of them (see isRefusal). */
export const insertRaw = async (connection: DuckDBConnection, spool: Spool, lines: readonly RawLine[]) => {
  if (lines.length === 0) return
  await spool.with(lines.map(withPlace), COLUMNS, (table) => connection.run(insertSql(table)))
}

/** Whether an error is about what a row holds, so that the other rows can be stored without it. */
export const isRefusal = (error: unknown): boolean =>
  error instanceof Error && /^(Invalid Input|Conversion|Constraint|Out of Range) Error/.test(error.message)

/** Null when the lines can be stored, else why not. Leaves nothing behind. */
const tryLines = async (
  connection: DuckDBConnection,
  spool: Spool,
  lines: readonly RawLine[],
): Promise<string | null> => {
  await connection.run('BEGIN')
  try {
    await insertRaw(connection, spool, lines)
    return null
  } catch (error) {
    if (!isRefusal(error)) throw error
    return (error as Error).message.split('\n')[0]
  } finally {
    await connection.run('ROLLBACK')
  }
}

/** Finds the lines that cannot be stored, by halves; outside of a transaction. */
export const findRefused = async (
  connection: DuckDBConnection,
  spool: Spool,
  lines: readonly RawLine[],
): Promise<RefusedLine[]> => {
  if (lines.length === 0) return []
  const reason = await tryLines(connection, spool, lines)
  if (reason === null) return []
  if (lines.length === 1) return [{ ...lines[0], reason }]
  const middle = lines.length >> 1
  return [
    ...(await findRefused(connection, spool, lines.slice(0, middle))),
    ...(await findRefused(connection, spool, lines.slice(middle))),
  ]
}
