import type { DuckDBConnection, DuckDBListValue } from '@duckdb/node-api'
import { aggTable, type MeasureKind } from '#schema/metric.ts'
import type { AggregatesQuery, OlapRow, Positions } from '#schema/olap.ts'
import { fieldsOf, measureJson, measureValues } from './measure-columns.ts'
import { readPositions } from './positions.ts'
import { readPrepared } from './prepared.ts'
import { mergedRows } from './tables.ts'

const asked = (table: string): string => `${table}
WHERE tenant = $1 AND metric = $2 AND version = $3 AND size_ms = $4
  AND window_start >= epoch_ms($5::BIGINT) AND window_start < epoch_ms($6::BIGINT)`

const sql = (table: string, measure: MeasureKind | undefined): string => `
SELECT epoch_ms(window_start)::DOUBLE, dims, events::DOUBLE, corrections::DOUBLE, revisions::DOUBLE,
  epoch_ms(corrected_at)::DOUBLE, ${measureValues(fieldsOf(measure))}
FROM (${mergedRows('window_start, dims', asked(table))})
ORDER BY window_start, dims`

const toRows = ({ tenant, metric, version, size, measure }: AggregatesQuery, columns: unknown[][], count: number) => {
  const [start, dims, events, corrections, revisions, correctedAt, ...measured] = columns
  const fields = fieldsOf(measure)
  const row = (i: number): OlapRow => ({
    tenant,
    metric,
    version,
    size,
    start: start[i] as number,
    dims: [...(dims[i] as DuckDBListValue).items] as (string | null)[],
    events: events[i] as number,
    corrections: corrections[i] as number,
    ...(correctedAt[i] === null ? {} : { correctedAt: correctedAt[i] as number }),
    revision: revisions[i] as number,
    ...measureJson(
      measured.map((column) => column[i]),
      fields,
    ),
  })
  return Array.from({ length: count }, (_, i) => row(i))
}

/** Merged rows and positions of one moment; the connection is in a transaction. */
export const readAggregates = async (
  connection: DuckDBConnection,
  query: AggregatesQuery,
): Promise<{ rows: OlapRow[]; positions: Positions }> => {
  const { tenant, metric, version, size, from, to, measure } = query
  const reader = await readPrepared(connection, sql(aggTable(size), measure), [tenant, metric, version, size, from, to])
  const rows = toRows(query, reader.getColumns(), reader.currentRowCount)
  return { rows, positions: await readPositions(connection) }
}
