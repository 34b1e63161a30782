import type { DuckDBConnection } from '@duckdb/node-api'
import { type OlapPart, textOf } from '#processors/ports.ts'
import { withLines } from './given-rows.ts'
import { PlacedLines, SERVER_COLUMNS } from './placed-lines.ts'
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
    raw
      .map(textOf)
      .flatMap(({ sequence, lines, indexes }) =>
        lines.map((line, i) => ({ partition, sequence, index: indexes[i], line })),
      ),
  )

const COLUMNS = {
  ...SERVER_COLUMNS,
  e: 'STRUCT(id VARCHAR, name VARCHAR, "userId" VARCHAR, "anonymousId" VARCHAR, properties JSON, context JSON)',
}

const insertSql = (table: string): string => `
INSERT INTO raw_events
SELECT tenant, source, e.id, e.name, epoch_ms(time), epoch_ms("receivedAt"), key, e."userId", e."anonymousId",
  e.properties, e.context, country, browser, os, device, weight, schema, p, s, i,
  ${identitySql('tenant', 'source', 'key', 'e.id')}, ${idSql('tenant', 'e.id')}
FROM ${table}`

/** Room for a line's place. */
const PLACE_BYTES = 48

const placed = (parts: readonly Pick<OlapPart, 'partition' | 'raw'>[]): PlacedLines => {
  const sizes = parts.flatMap(({ raw }) =>
    raw.map((events) => PLACE_BYTES * events.indexes.length + ('data' in events ? events.data.length : 0)),
  )
  const lines = new PlacedLines(sizes.reduce((sum, size) => sum + size, 0))
  for (const { partition, raw } of parts) for (const events of raw) lines.addEvents(partition, events)
  return lines
}

/** Inserts counted events; rejects as a whole when DuckDB refuses one of them (see refused.ts). */
export const insertRaw = async (
  connection: DuckDBConnection,
  spool: Spool,
  parts: readonly Pick<OlapPart, 'partition' | 'raw'>[],
): Promise<void> => {
  const lines = placed(parts)
  if (lines.length === 0) return
  await withLines(connection, spool, lines.bytes(), COLUMNS, insertSql)
}

/** The same of lines one by one. */
export const insertLines = (connection: DuckDBConnection, spool: Spool, lines: readonly RawLine[]): Promise<void> =>
  insertRaw(
    connection,
    spool,
    lines.map(({ partition, sequence, index, line }) => ({
      partition,
      raw: [{ sequence, lines: [line], indexes: [index] }],
    })),
  )
