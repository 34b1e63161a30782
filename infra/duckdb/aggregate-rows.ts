import type { DuckDBConnection } from '@duckdb/node-api'
import { aggTable } from '#schema/metric.ts'
import { withSparseRows } from './given-rows.ts'
import { MEASURE_FROM_JSON, MEASURE_TYPES } from './measure-columns.ts'
import type { MergedDelta } from './merge-deltas.ts'
import { rowJson } from './row-json.ts'
import type { Spool } from './spool.ts'
import { AGGREGATE_TABLES } from './tables.ts'

/** What tells a slice, as rows of JSON name it. */
export const SLICE_COLUMNS = {
  tenant: 'VARCHAR',
  metric: 'VARCHAR',
  version: 'BIGINT',
  size: 'BIGINT',
  start: 'BIGINT',
  dims: 'VARCHAR[]',
}

const COLUMNS = {
  ...SLICE_COLUMNS,
  events: 'BIGINT',
  corrections: 'BIGINT',
  correctedAt: 'BIGINT',
  ...MEASURE_TYPES,
  revisions: 'BIGINT',
}

const insertSql = (into: string, table: string): string => `
INSERT INTO ${into} BY NAME
SELECT tenant, metric, version, size AS size_ms, epoch_ms(start) AS window_start, epoch_ms(start + size) AS window_end,
  dims, events, corrections, epoch_ms("correctedAt") AS corrected_at, ${MEASURE_FROM_JSON}, coalesce(revisions, 1) AS revisions, epoch_ms($1::BIGINT) AS stored_at, false AS merged
FROM ${table}`

/** Appends deltas to the table of their slice's size. */
export const insertAggregates = async (
  connection: DuckDBConnection,
  spool: Spool,
  rows: readonly MergedDelta[],
  now: number,
): Promise<void> => {
  for (const into of AGGREGATE_TABLES) {
    const lines = rows.filter((row) => aggTable(row.size) === into).map(rowJson)
    if (lines.length === 0) continue
    await withSparseRows(connection, spool, lines, COLUMNS, (table) => insertSql(into, table), [now])
  }
}
