import type { DuckDBConnection } from '@duckdb/node-api'
import type { AggregateRow } from '#schema/checkpoint.ts'
import { aggTable } from '#schema/metric.ts'
import { MEASURE_FROM_JSON, MEASURE_TYPES } from './measure-columns.ts'
import { mergeDeltas } from './merge-deltas.ts'
import { rowJson } from './row-json.ts'
import type { Spool } from './spool.ts'
import { AGGREGATE_TABLES } from './tables.ts'

const COLUMNS = {
  tenant: 'VARCHAR',
  metric: 'VARCHAR',
  version: 'BIGINT',
  size: 'BIGINT',
  start: 'BIGINT',
  dims: 'VARCHAR[]',
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

/** Appends deltas to the table of their slice's size, those of one series and slice as one row. */
export const insertAggregates = async (
  connection: DuckDBConnection,
  spool: Spool,
  rows: readonly AggregateRow[],
  now: number,
): Promise<void> => {
  for (const into of AGGREGATE_TABLES) {
    const lines = mergeDeltas(rows.filter((row) => aggTable(row.size) === into)).map(rowJson)
    if (lines.length === 0) continue
    await spool.with(lines, COLUMNS, (table) => connection.run(insertSql(into, table), [now]))
  }
}
