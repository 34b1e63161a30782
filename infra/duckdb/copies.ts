import type { DuckDBConnection } from '@duckdb/node-api'
import type { EventLine } from '#schema/event.ts'
import type { MetricDefinition } from '#schema/metric.ts'
import type { Copies, CopiesQuery, DefinitionsQuery, StoredCopy } from '#schema/olap.ts'
import { idSql } from './tables.ts'

const OF_ID = 'tenant = $1 AND id = $2 AND received_at >= epoch_ms($3::BIGINT)'
const BY_HASH = `id_hash = ${idSql('$1', '$2')} AND ${OF_ID}`
const PLACE = `'partition': "partition", 'sequence': sequence`

/** How many there are, and the newest of them as JSON: one scan, where a sort of all columns takes two. */
const newestOf = (table: string, condition: string, fields: string): string => `
SELECT count(*)::DOUBLE, to_json(arg_max({${fields}}, (received_at, sequence, "index")))::VARCHAR
FROM ${table} WHERE ${condition}`

/** JSON inside of it is text: it comes back as it went in. */
const LINE = `'source': source, 'receivedAt': epoch_ms(received_at), 'time': epoch_ms(time), 'key': session_id,
  'weight': weight, 'schema': schema_version, 'country': country, 'browser': browser, 'os': os, 'device': device,
  'name': name, 'userId': user_id, 'anonymousId': anonymous_id,
  'properties': properties::VARCHAR, 'context': context::VARCHAR`
const RAW = newestOf('raw_events', BY_HASH, `${PLACE}, ${LINE}`)
const DEAD = newestOf('dead_letters', OF_ID, `${PLACE}, 'code': code, 'message': message`)
const REPEATED = newestOf('duplicates', BY_HASH, PLACE)
const SEQUENCES = `SELECT sequence::DOUBLE FROM positions ORDER BY "partition"`

/** Without what is null. */
const present = (fields: Record<string, unknown>): object =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null))
const parsed = (value: unknown): unknown => (typeof value === 'string' ? JSON.parse(value) : null)

/** The line as it stood in the log, as far as the row has it. */
const toLine = ({ tenant, id }: CopiesQuery, fields: Record<string, unknown>): EventLine => {
  const { name, userId, anonymousId, properties, context, ...server } = fields
  const e = { id, name, ...present({ userId, anonymousId, properties: parsed(properties), context: parsed(context) }) }
  return { tenant, ...present(server), e } as EventLine
}

/** What the store has of an id, and up to where of each partition's log it has everything. One moment. */
export const readCopies = async (connection: DuckDBConnection, query: CopiesQuery): Promise<Copies> => {
  const ask = async <T>(sql: string): Promise<{ count: number; newest: (StoredCopy & T) | null }> => {
    const [[count, newest]] = (await connection.runAndReadAll(sql, [query.tenant, query.id, query.from])).getRows()
    return { count: count as number, newest: parsed(newest) as (StoredCopy & T) | null }
  }
  const raw = await ask<Record<string, unknown>>(RAW)
  const dead = await ask<{ code: string; message: string }>(DEAD)
  const repeated = await ask<object>(REPEATED)
  const { partition = 0, sequence = 0, ...fields } = raw.newest ?? {}
  return {
    stored: raw.newest && { partition, sequence, line: toLine(query, fields) },
    deadLetter: dead.newest,
    duplicate: repeated.newest,
    occurrences: raw.count + dead.count + repeated.count,
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
