import type { DuckDBConnection } from '@duckdb/node-api'
import { type OlapPart, OutOfSequence } from '#processors/ports.ts'
import type { Positions } from '#schema/olap.ts'
import { withRows } from './given-rows.ts'
import { readPrepared } from './prepared.ts'
import type { Spool } from './spool.ts'

/** By partition: the last checkpoint that is stored. */
export const readPositions = async (connection: DuckDBConnection): Promise<Positions> => {
  const reader = await readPrepared(connection, 'SELECT checkpoint::DOUBLE FROM positions ORDER BY "partition"')
  return reader.getColumnsJS()[0] as Positions
}

/** Where the store stands, for its only writer: asked once, then known. */
export interface StoredPositions {
  read(): Promise<Positions>
  /** Takes note of parts that were committed. */
  moved(parts: readonly OlapPart[]): void
  /** What was committed is not known: the table is asked again. */
  forget(): void
}

export const createStoredPositions = (connection: DuckDBConnection): StoredPositions => {
  let known: Positions | null = null
  return {
    async read() {
      known ??= await readPositions(connection)
      return known
    },
    moved(parts) {
      if (!known) return
      for (const { partition, checkpoint } of parts) known[partition] = checkpoint
    },
    forget() {
      known = null
    },
  }
}

/** Leaves out what is stored already: a batch whose acknowledgement got lost is written again. */
export const notStored = (parts: readonly OlapPart[], positions: Positions): OlapPart[] =>
  parts.filter(({ partition, after, checkpoint }) => follows(partition, positions[partition], after, checkpoint))

/** False when it is stored already; throws OutOfSequence when something between is not. */
export const follows = (partition: number, stored: number, after: number, upTo: number): boolean => {
  if (upTo <= stored) return false
  if (after !== stored) throw new OutOfSequence(partition, stored, after)
  return true
}

const COLUMNS = { partition: 'INTEGER', checkpoint: 'BIGINT', sequence: 'BIGINT' }

export const movePositions = async (
  connection: DuckDBConnection,
  spool: Spool,
  parts: readonly OlapPart[],
): Promise<void> => {
  const lines = parts.map(({ partition, checkpoint, sequence }) => JSON.stringify({ partition, checkpoint, sequence }))
  await withRows(
    connection,
    spool,
    lines,
    COLUMNS,
    (table) => `INSERT INTO position_changes SELECT "partition", checkpoint, sequence FROM ${table}`,
  )
}
