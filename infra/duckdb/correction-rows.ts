import type { DuckDBConnection, DuckDBListValue } from '@duckdb/node-api'
import type { AggregateRow, DefinitionState, SessionRow } from '#schema/checkpoint.ts'
import {
  correctedSlices,
  type MeasureFinder,
  maybeCorrected,
  type NewCorrection,
  sessionCorrections,
  sliceCorrections,
  sliceKey,
} from '#schema/correction-list.ts'
import { aggTable, type MeasureSpec, type MetricDefinition } from '#schema/metric.ts'
import type { OlapRow } from '#schema/olap.ts'
import { newestSessionRows, sessionRowKey } from '#schema/session-rows.ts'
import { MEASURE_VALUES, measureJson } from './measure-columns.ts'
import { rowJson } from './row-json.ts'
import { readSessionsOf } from './sessions.ts'
import type { Spool } from './spool.ts'
import { AGGREGATE_TABLES, mergedRows } from './tables.ts'

const SLICE = 'tenant, metric, version, size_ms, window_start, dims'
const SLICE_TYPES = {
  tenant: 'VARCHAR',
  metric: 'VARCHAR',
  version: 'BIGINT',
  size: 'BIGINT',
  start: 'BIGINT',
  dims: 'VARCHAR[]',
}

/** The range lets most of the table be skipped. */
const storedSql = (table: string, wanted: string): string => `
SELECT tenant, metric, version::DOUBLE, size_ms::DOUBLE, epoch_ms(window_start)::DOUBLE, dims,
  events::DOUBLE, corrections::DOUBLE, revisions::DOUBLE, ${MEASURE_VALUES}
FROM (${mergedRows(
  SLICE,
  `${table} SEMI JOIN (
    SELECT tenant, metric, version, size AS size_ms, epoch_ms(start) AS window_start, dims FROM ${wanted}) USING (${SLICE})
  WHERE window_start BETWEEN epoch_ms($1::BIGINT) AND epoch_ms($2::BIGINT)`,
)})`
const FIXED = 9

const toRow = (values: readonly unknown[]): OlapRow => {
  const [tenant, metric, version, size, start, dims, events, corrections, revision] = values
  return {
    ...({ tenant, metric, version, size, start, events, corrections, revision } as OlapRow),
    dims: [...(dims as DuckDBListValue).items] as (string | null)[],
    ...measureJson(values.slice(FIXED)),
  }
}

/** What is stored of the slices of these rows, merged, by sliceKey. */
const storedSlices = async (
  connection: DuckDBConnection,
  spool: Spool,
  rows: readonly AggregateRow[],
): Promise<Map<string, OlapRow>> => {
  const stored = new Map<string, OlapRow>()
  for (const table of AGGREGATE_TABLES) {
    const own = rows.filter(({ size }) => aggTable(size) === table)
    if (own.length === 0) continue
    const starts = own.map(({ start }) => start).sort((a, b) => a - b)
    const lines = own.map(({ tenant, metric, version, size, start, dims }) =>
      rowJson({ ...{ tenant, metric, version, size, start }, dims }),
    )
    const reader = await spool.with(lines, SLICE_TYPES, (wanted) =>
      connection.runAndReadAll(storedSql(table, wanted), [starts[0], starts[starts.length - 1]]),
    )
    for (const row of reader.getRows().map(toRow)) stored.set(sliceKey(row), row)
  }
  return stored
}

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

/** What a batch corrects, asked before any of it is written. Costs nothing when it corrects nothing. */
export const correctionsIn = async (
  connection: DuckDBConnection,
  spool: Spool,
  batch: { aggregates: AggregateRow[]; sessions: SessionRow[]; definitions: DefinitionState[] },
): Promise<NewCorrection[]> => {
  const slices = correctedSlices(batch.aggregates)
  const sessions = maybeCorrected(newestSessionRows(batch.sessions))
  if (slices.length + sessions.length === 0) return []
  const measureFor = await findMeasures(connection, [...slices, ...sessions], batch.definitions)
  const known = new Map(
    (await readSessionsOf(connection, spool, sessions)).map((row) => [sessionRowKey(row), row] as const),
  )
  return [
    ...sliceCorrections(batch.aggregates, await storedSlices(connection, spool, slices), measureFor),
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
}

const insertSql = (table: string): string => `
INSERT INTO corrections BY NAME
SELECT tenant, metric, version, epoch_ms("windowStart") AS window_start, epoch_ms("windowEnd") AS window_end, dims,
  epoch_ms($1::BIGINT) AS stored_at, "from" AS from_value, "to" AS to_value, events, revision,
  nextval('correction_numbers') AS number
FROM ${table}`

export const insertCorrections = async (
  connection: DuckDBConnection,
  spool: Spool,
  corrections: readonly NewCorrection[],
  now: number,
): Promise<void> => {
  if (corrections.length === 0) return
  const lines = corrections.map(({ dimensions, ...rest }) =>
    rowJson({ ...rest, dims: dimensions } as SpooledCorrection),
  )
  await spool.with(lines, COLUMNS, (table) => connection.run(insertSql(table), [now]))
}

type SpooledCorrection = Omit<NewCorrection, 'dimensions'> & { dims: (string | null)[] }
