import type { DuckDBConnection } from '@duckdb/node-api'
import type { OlapPart, StoredPartition } from '#processors/ports.ts'
import { withRows } from './given-rows.ts'
import type { Spool } from './spool.ts'

interface StateRow {
  partition: number
  kind: 'clock' | 'definition' | 'tenant'
  tenant: string
  name: string
  value: object
  /** Of the part that had it. */
  checkpoint: number
}

/** What changed, the newest of each: parts have it in the order of the log. */
const changesIn = (parts: readonly OlapPart[]): StateRow[] => {
  const rows = parts.flatMap(({ partition, checkpoint, clocks, definitions, tenants }): StateRow[] => {
    const row = (kind: StateRow['kind'], name: string, value: { tenant: string }): StateRow => {
      return { partition, kind, tenant: value.tenant, name, value, checkpoint }
    }
    return [
      ...clocks.map((value) => row('clock', value.source, value)),
      ...definitions.map((value) => row('definition', value.definition.name, value)),
      ...tenants.map((value) => row('tenant', '', value)),
    ]
  })
  const key = ({ partition, kind, tenant, name }: StateRow): string => [partition, kind, tenant, name].join('\n')
  return [...new Map(rows.map((row) => [key(row), row])).values()]
}

const COLUMNS = {
  partition: 'INTEGER',
  kind: 'VARCHAR',
  tenant: 'VARCHAR',
  name: 'VARCHAR',
  value: 'VARCHAR',
  checkpoint: 'BIGINT',
}

const insertSql = (table: string): string =>
  `INSERT INTO fold_state_changes SELECT "partition", kind, tenant, name, value, checkpoint FROM ${table}`

/** Appends what changed; see newest.ts. */
export const keepFoldState = async (
  connection: DuckDBConnection,
  spool: Spool,
  parts: readonly OlapPart[],
): Promise<void> => {
  const rows = changesIn(parts)
  if (rows.length === 0) return
  const lines = rows.map((row) => JSON.stringify({ ...row, value: JSON.stringify(row.value) }))
  await withRows(connection, spool, lines, COLUMNS, insertSql)
}

const toPartition = (checkpoint: number, sequence: number): StoredPartition => ({
  checkpoint,
  sequence,
  clocks: [],
  definitions: [],
  tenants: [],
})

/** By partition: where the store stands, and what a fold must know to go on from there. */
export const readPartitions = async (connection: DuckDBConnection): Promise<StoredPartition[]> => {
  const positions = await connection.runAndReadAll(
    'SELECT checkpoint::DOUBLE, sequence::DOUBLE FROM positions ORDER BY "partition"',
  )
  const partitions = (positions.getRowsJS() as [number, number][]).map(([checkpoint, sequence]) =>
    toPartition(checkpoint, sequence),
  )
  const state = await connection.runAndReadAll('SELECT "partition", kind, value FROM fold_state')
  for (const [partition, kind, text] of state.getRowsJS() as [number, StateRow['kind'], string][]) {
    const value = JSON.parse(text)
    if (kind === 'clock') partitions[partition].clocks.push(value)
    else if (kind === 'definition') partitions[partition].definitions.push(value)
    else partitions[partition].tenants.push(value)
  }
  return partitions
}
