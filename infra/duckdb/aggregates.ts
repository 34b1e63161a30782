import type { DuckDBConnection, DuckDBListValue } from '@duckdb/node-api'
import { aggTable } from '#schema/metric.ts'
import type { AggregatesQuery, OlapRow, Positions } from '#schema/olap.ts'
import { MEASURE_VALUES, measureJson } from './measure-columns.ts'
import { readPositions } from './positions.ts'
import { mergedRows } from './tables.ts'

const asked = (table: string): string => `${table}
WHERE tenant = $1 AND metric = $2 AND version = $3 AND size_ms = $4
  AND window_start >= epoch_ms($5::BIGINT) AND window_start < epoch_ms($6::BIGINT)`

const sql = (table: string): string => `
SELECT epoch_ms(window_start)::DOUBLE, dims, events::DOUBLE, corrections::DOUBLE, revisions::DOUBLE,
  epoch_ms(corrected_at)::DOUBLE, ${MEASURE_VALUES}
FROM (${mergedRows('window_start, dims', asked(table))})
ORDER BY window_start, dims`

const FIXED = 6

const toRow = (query: AggregatesQuery, columns: unknown[][], i: number): OlapRow => {
  const values = columns.map((column) => column[i])
  const [start, dims, events, corrections, revision, correctedAt] = values
  return {
    tenant: query.tenant,
    metric: query.metric,
    version: query.version,
    size: query.size,
    start: start as number,
    dims: [...(dims as DuckDBListValue).items] as (string | null)[],
    events: events as number,
    corrections: corrections as number,
    ...(correctedAt === null ? {} : { correctedAt: correctedAt as number }),
    revision: revision as number,
    ...measureJson(values.slice(FIXED)),
  }
}

/** Merged rows and positions of one moment; the connection is in a transaction. */
export const readAggregates = async (
  connection: DuckDBConnection,
  query: AggregatesQuery,
): Promise<{ rows: OlapRow[]; positions: Positions }> => {
  const { tenant, metric, version, size, from, to } = query
  const reader = await connection.runAndReadAll(sql(aggTable(size)), [tenant, metric, version, size, from, to])
  const columns = reader.getColumns()
  const rows = Array.from({ length: reader.currentRowCount }, (_, i) => toRow(query, columns, i))
  return { rows, positions: await readPositions(connection) }
}
