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

export const rawLines = (parts: readonly Pick<OlapPart, 'partition' | 'raw'>[]): RawLine[] =>
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

/** Inserts the lines; rejects as a whole when DuckDB refuses one of them (see refused.ts). */
export const insertRaw = async (connection: DuckDBConnection, spool: Spool, lines: readonly RawLine[]) => {
  if (lines.length === 0) return
  await spool.with(lines.map(withPlace), COLUMNS, (table) => connection.run(insertSql(table)))
}
