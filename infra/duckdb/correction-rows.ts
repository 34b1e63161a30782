import type { DuckDBConnection } from '@duckdb/node-api'
import type { DefinitionState, SessionRow } from '#schema/checkpoint.ts'
import {
  correctedSlices,
  type MeasureFinder,
  maybeCorrected,
  type NewCorrection,
  sessionCorrections,
  sliceCorrections,
} from '#schema/correction-list.ts'
import type { MeasureSpec, MetricDefinition } from '#schema/metric.ts'
import { newestSessionRows, sessionRowKey } from '#schema/session-rows.ts'
import { withRows } from './given-rows.ts'
import type { MergedDelta } from './merge-deltas.ts'
import { rowJson } from './row-json.ts'
import { readSessionsOf } from './sessions.ts'
import type { Spool } from './spool.ts'
import type { StoredSlices } from './stored-slices.ts'

const DEFINITIONS = `
SELECT DISTINCT tenant, definition::VARCHAR FROM definitions
WHERE (tenant, definition->>'$.name', (definition->>'$.version')::BIGINT) IN (
  SELECT (tenant, metric, version) FROM (SELECT unnest(
    from_json($1, '[{"tenant": "VARCHAR", "metric": "VARCHAR", "version": "BIGINT"}]'), recursive := true)))`

const nameOf = ({ tenant, metric, version }: Parameters<MeasureFinder>[0]): string =>
  JSON.stringify([tenant, metric, version])

/** What versions of definitions measure, which never changes, as far as a connection has asked for it. */
const measuresOf = new WeakMap<DuckDBConnection, Map<string, MeasureSpec>>()
const MOST_MEASURES = 10_000

/** By what is stored, and what comes in the same batch. */
const findMeasures = async (
  connection: DuckDBConnection,
  rows: readonly Parameters<MeasureFinder>[0][],
  fresh: readonly DefinitionState[],
): Promise<MeasureFinder> => {
  let known = measuresOf.get(connection)
  if (!known || known.size > MOST_MEASURES) {
    known = new Map()
    measuresOf.set(connection, known)
  }
  const measures = known
  const add = (tenant: string, { name: metric, version, measure }: MetricDefinition): void =>
    void measures.set(nameOf({ tenant, metric, version }), measure)
  for (const { tenant, definition } of fresh) add(tenant, definition)
  const wanted = [...new Map(rows.map((row) => [nameOf(row), row])).values()].filter(
    (row) => !measures.has(nameOf(row)),
  )
  if (wanted.length > 0) {
    const json = JSON.stringify(wanted.map(({ tenant, metric, version }) => ({ tenant, metric, version })))
    const found = (await connection.runAndReadAll(DEFINITIONS, [json])).getRows() as [string, string][]
    for (const [tenant, text] of found) add(tenant, JSON.parse(text) as MetricDefinition)
  }
  return (row) => measures.get(nameOf(row))
}

/** What a batch corrects, asked before any of it is written. Costs nothing when it corrects nothing. `aggregates`: one a slice. */
export const correctionsIn = async (
  connection: DuckDBConnection,
  spool: Spool,
  slicesStored: StoredSlices,
  batch: { aggregates: MergedDelta[]; sessions: SessionRow[]; definitions: DefinitionState[] },
): Promise<NewCorrection[]> => {
  const slices = correctedSlices(batch.aggregates)
  const sessions = maybeCorrected(newestSessionRows(batch.sessions))
  if (slices.length + sessions.length === 0) return []
  const measureFor = await findMeasures(connection, [...slices, ...sessions], batch.definitions)
  const known = new Map(
    (await readSessionsOf(connection, spool, sessions)).map((row) => [sessionRowKey(row), row] as const),
  )
  return [
    ...sliceCorrections(slices, await slicesStored.find(slices), measureFor),
    ...sessionCorrections(sessions, (row) => known.get(sessionRowKey(row)), measureFor),
  ]
}

const COLUMNS = {
  tenant: 'VARCHAR',
  metric: 'VARCHAR',
  version: 'BIGINT',
  windowStart: 'BIGINT',
  windowEnd: 'BIGINT',
  dims: 'VARCHAR[]',
  from: 'DOUBLE',
  to: 'DOUBLE',
  events: 'BIGINT',
  revision: 'BIGINT',
  number: 'BIGINT',
}

const insertSql = (table: string): string => `
INSERT INTO corrections BY NAME
SELECT tenant, metric, version, epoch_ms("windowStart") AS window_start, epoch_ms("windowEnd") AS window_end, dims,
  epoch_ms($1::BIGINT) AS stored_at, "from" AS from_value, "to" AS to_value, events, revision, number
FROM ${table}`

/** By the connection of the writer, of which there is one: the last number that it gave. */
const lastNumbers = new WeakMap<DuckDBConnection, number>()
const LAST_NUMBER = 'SELECT coalesce(max(number), 0)::DOUBLE FROM corrections'

/** Numbers that no stored correction has; the first. Not of a sequence of DuckDB: what takes one waits for checkpoints. */
const takeNumbers = async (connection: DuckDBConnection, count: number): Promise<number> => {
  const last =
    lastNumbers.get(connection) ?? ((await connection.runAndReadAll(LAST_NUMBER)).getColumns()[0][0] as number)
  lastNumbers.set(connection, last + count)
  return last + 1
}

export const insertCorrections = async (
  connection: DuckDBConnection,
  spool: Spool,
  corrections: readonly NewCorrection[],
  now: number,
): Promise<void> => {
  if (corrections.length === 0) return
  const first = await takeNumbers(connection, corrections.length)
  const lines = corrections.map(({ dimensions, ...rest }, i) =>
    rowJson({ ...rest, dims: dimensions, number: first + i } as SpooledCorrection),
  )
  await withRows(connection, spool, lines, COLUMNS, insertSql, [now])
}

type SpooledCorrection = Omit<NewCorrection, 'dimensions'> & { dims: (string | null)[]; number: number }
