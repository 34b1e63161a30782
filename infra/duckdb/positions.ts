import type { DuckDBConnection } from '@duckdb/node-api'
import { type OlapPart, OutOfSequence } from '#processors/ports.ts'
import type { Positions } from '#schema/olap.ts'
import { runPrepared } from './prepared.ts'

/** By partition: the last checkpoint that is stored. */
export const readPositions = async (connection: DuckDBConnection): Promise<Positions> => {
  const reader = await runPrepared(connection, 'SELECT checkpoint::DOUBLE FROM positions ORDER BY "partition"')
  return reader.getColumnsJS()[0] as Positions
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

export const movePositions = async (connection: DuckDBConnection, parts: readonly OlapPart[]): Promise<void> => {
  const values = parts.map((_, i) => `($${3 * i + 1}, $${3 * i + 2}, $${3 * i + 3})`).join(', ')
  await connection.run(
    `UPDATE positions SET checkpoint = moved.checkpoint, sequence = moved.sequence
     FROM (VALUES ${values}) moved(p, checkpoint, sequence) WHERE "partition" = moved.p`,
    parts.flatMap(({ partition, checkpoint, sequence }) => [partition, checkpoint, sequence]),
  )
}
