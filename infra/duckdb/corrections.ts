import type { DuckDBConnection, DuckDBListValue, DuckDBValue } from '@duckdb/node-api'
import type { CorrectionsQuery, Page, StoredCorrection } from '#schema/olap.ts'
import { readPage } from './page.ts'

/** What late events have changed: a row for each point and batch of rows that was written. */
export const CORRECTIONS = [
  `CREATE TABLE IF NOT EXISTS corrections (
    tenant VARCHAR NOT NULL, metric VARCHAR NOT NULL, version BIGINT NOT NULL,
    window_start TIMESTAMP NOT NULL, window_end TIMESTAMP NOT NULL, dims VARCHAR[] NOT NULL,
    stored_at TIMESTAMP NOT NULL, from_value DOUBLE, to_value DOUBLE, events BIGINT NOT NULL, revision BIGINT NOT NULL,
    number BIGINT NOT NULL)`,
  // Of stores from before the writer counted by itself.
  'DROP SEQUENCE IF EXISTS correction_numbers',
]

/** In the order of pages rows of one time are told apart by their number alone. */
const NUMBERED = `(SELECT *, '' AS id, 0 AS "partition", number AS sequence, 0 AS "index" FROM corrections)`

const toCorrection = (row: unknown[]): StoredCorrection => {
  const [metric, version, windowStart, windowEnd, dims, at, from, to, events] = row
  return {
    ...({ metric, version, windowStart, windowEnd, at, from, to, events } as StoredCorrection),
    dimensions: [...(dims as DuckDBListValue).items] as (string | null)[],
  }
}

/** Corrections of a tenant by when they were stored, newest first. */
export const readCorrections = (
  connection: DuckDBConnection,
  { tenant, metric, from, to, first, after }: CorrectionsQuery,
): Promise<Page<StoredCorrection>> => {
  const values: DuckDBValue[] = [tenant, from, to]
  let where = 'tenant = $1 AND stored_at >= epoch_ms($2::BIGINT) AND stored_at < epoch_ms($3::BIGINT)'
  if (metric !== undefined) where += ` AND metric = $${values.push(metric)}`
  const select = [
    'metric',
    'version::DOUBLE',
    'epoch_ms(window_start)::DOUBLE',
    'epoch_ms(window_end)::DOUBLE',
    'dims',
    'epoch_ms(stored_at)::DOUBLE',
    'from_value',
    'to_value',
    'events::DOUBLE',
  ]
  return readPage(connection, { from: NUMBERED, where, values, time: 'stored_at', select, first, after }, toCorrection)
}
