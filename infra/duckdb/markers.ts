import type { DuckDBConnection } from '@duckdb/node-api'
import type { OlapPart } from '#processors/ports.ts'
import type { StoredMarker } from '#schema/olap.ts'
import { withRows } from './given-rows.ts'
import type { Spool } from './spool.ts'

const COLUMNS = { gateway: 'VARCHAR', number: 'BIGINT', partition: 'INTEGER', sentAt: 'BIGINT' }

const NEWEST = `SELECT "partition", max(number)::DOUBLE FROM markers WHERE gateway = $1 GROUP BY "partition"`

/** Appends the markers that the parts' checkpoints settled. */
export const insertMarkers = async (
  connection: DuckDBConnection,
  spool: Spool,
  parts: readonly OlapPart[],
  now: number,
): Promise<void> => {
  const lines = parts.flatMap(({ partition, markers }) =>
    markers.map((marker) => JSON.stringify({ ...marker, partition })),
  )
  if (lines.length === 0) return
  await withRows(
    connection,
    spool,
    lines,
    COLUMNS,
    (table) =>
      `INSERT INTO markers SELECT gateway, number, "partition", epoch_ms("sentAt"), epoch_ms($1::BIGINT) FROM ${table}`,
    [now],
  )
}

/** The newest marker of a gateway in each partition that has one. */
export const readMarkers = async (connection: DuckDBConnection, gateway: string): Promise<StoredMarker[]> => {
  const reader = await connection.runAndReadAll(NEWEST, [gateway])
  return reader.getRows().map(([partition, number]) => ({ partition, number }) as StoredMarker)
}
