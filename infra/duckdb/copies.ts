import type { DuckDBConnection, DuckDBValue } from '@duckdb/node-api'
import type { EventLine } from '#schema/event.ts'
import type { MetricDefinition } from '#schema/metric.ts'
import type { Copies, CopiesQuery, DefinitionsQuery, StoredCopy } from '#schema/olap.ts'
import { idSql } from './tables.ts'

const OF_ID = 'tenant = $1 AND id = $2 AND received_at >= epoch_ms($3::BIGINT)'
const BY_HASH = `id_hash = ${idSql('$1', '$2')} AND ${OF_ID}`
const PLACE = '"partition", sequence::DOUBLE'
const NEWEST = 'ORDER BY received_at DESC, sequence DESC, "index" DESC LIMIT 1'

const RAW = `
SELECT ${PLACE}, count(*) OVER ()::DOUBLE, source, epoch_ms(received_at)::DOUBLE, epoch_ms(time)::DOUBLE, session_id, weight, schema_version,
  name, user_id, anonymous_id, properties, context, country, browser, os, device
FROM raw_events WHERE ${BY_HASH} ${NEWEST}`
const DEAD = `SELECT ${PLACE}, count(*) OVER ()::DOUBLE, code, message FROM dead_letters WHERE ${OF_ID} ${NEWEST}`
const REPEATED = `SELECT ${PLACE}, count(*) OVER ()::DOUBLE FROM duplicates WHERE ${BY_HASH} ${NEWEST}`
const SEQUENCES = `SELECT sequence::DOUBLE FROM positions ORDER BY "partition"`

const optional = (fields: Record<string, unknown>): object =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null))
const json = (value: unknown): unknown => (typeof value === 'string' ? JSON.parse(value) : null)

/** The line as it stood in the log, as far as the row has it. */
const toLine = ({ tenant, id }: CopiesQuery, fields: unknown[]): EventLine => {
  const [source, receivedAt, time, key, weight, schema, name, userId, anonymousId, properties, context, ...derived] =
    fields
  const [country, browser, os, device] = derived
  const e = { id, name, ...optional({ userId, anonymousId, properties: json(properties), context: json(context) }) }
  const server = { tenant, source, receivedAt, time, key, weight, schema }
  return { ...server, ...optional({ country, browser, os, device }), e } as EventLine
}

/** What the store has of an id, and up to where of each partition's log it has everything. One moment. */
export const readCopies = async (connection: DuckDBConnection, query: CopiesQuery): Promise<Copies> => {
  const { tenant, id, from } = query
  const first = async (sql: string, values: DuckDBValue[]): Promise<unknown[] | undefined> =>
    (await connection.runAndReadAll(sql, values)).getRows()[0]
  const values = [tenant, id, from]
  const rows = [await first(RAW, values), await first(DEAD, values), await first(REPEATED, values)]
  const [raw, dead, repeated] = rows
  const place = ([partition, sequence]: unknown[]): StoredCopy => ({ partition, sequence }) as StoredCopy
  return {
    stored: raw ? { ...place(raw), line: toLine(query, raw.slice(3)) } : null,
    deadLetter: dead ? { ...place(dead), code: dead[3] as string, message: dead[4] as string } : null,
    duplicate: repeated ? place(repeated) : null,
    occurrences: rows.reduce((sum, row) => sum + ((row?.[2] as number | undefined) ?? 0), 0),
    sequences: (await connection.runAndReadAll(SEQUENCES)).getColumns()[0] as number[],
  }
}

/** A store that is older than the table of definitions knows the newest of those from before. */
const IN_FORCE = `
SELECT definition FROM (
  SELECT definition->>'$.name' AS metric, definition, deleted, sequence FROM definitions
  WHERE tenant = $1 AND "partition" = $2 AND sequence < $3
  UNION ALL
  SELECT metric, definition, deleted, -1 FROM metrics
  WHERE tenant = $1 AND metric NOT IN (SELECT definition->>'$.name' FROM definitions WHERE tenant = $1))
QUALIFY row_number() OVER (PARTITION BY metric ORDER BY sequence DESC) = 1 AND NOT deleted`

/** Metrics that counted at a place of a partition's log. */
export const readDefinitions = async (
  connection: DuckDBConnection,
  { tenant, partition, sequence }: DefinitionsQuery,
): Promise<MetricDefinition[]> => {
  const reader = await connection.runAndReadAll(IN_FORCE, [tenant, partition, sequence])
  return reader.getRows().map(([definition]) => JSON.parse(definition as string) as MetricDefinition)
}
