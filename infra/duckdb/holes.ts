import type { DuckDBConnection } from '@duckdb/node-api'
import type { OlapPart } from '#processors/ports.ts'
import type { StoredHole } from '#schema/olap.ts'

/** A hole that goes on where one ends that nobody has acknowledged makes that one longer; see joinHoles. */
const EXTEND = `
UPDATE holes SET last_checkpoint = $1, last_sequence = $2, events = events + $3,
  aggregates = CASE WHEN $3 = 0 THEN aggregates ELSE $6 END
WHERE "partition" = $4 AND lost_by = $5 AND (aggregates = $6 OR events = 0 OR $3 = 0)
  AND last_sequence = $7::BIGINT - 1 AND acknowledged_at IS NULL`

const INSERT = `
INSERT INTO holes ("partition", first_checkpoint, last_checkpoint, first_sequence, last_sequence, events, lost_by,
  aggregates, found_at)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, epoch_ms($9::BIGINT)`

export const insertHoles = async (
  connection: DuckDBConnection,
  parts: readonly OlapPart[],
  now: number,
): Promise<void> => {
  for (const hole of parts.flatMap(({ holes }) => holes)) {
    const { partition, firstCheckpoint, lastCheckpoint, firstSequence, lastSequence, events, lostBy, aggregates } = hole
    const extended = await connection.run(EXTEND, [
      lastCheckpoint,
      lastSequence,
      events,
      partition,
      lostBy,
      aggregates,
      firstSequence,
    ])
    if (extended.rowsChanged > 0) continue
    await connection.run(INSERT, [
      partition,
      firstCheckpoint,
      lastCheckpoint,
      firstSequence,
      lastSequence,
      events,
      lostBy,
      aggregates,
      now,
    ])
  }
}

const SELECT = `
SELECT "partition", first_checkpoint::DOUBLE, last_checkpoint::DOUBLE, first_sequence::DOUBLE, last_sequence::DOUBLE,
  events::DOUBLE, lost_by, aggregates, epoch_ms(found_at)::DOUBLE, epoch_ms(acknowledged_at)::DOUBLE,
  restored_to::DOUBLE, restored_events::DOUBLE
FROM holes ORDER BY found_at, "partition", first_sequence`

const toHole = (row: unknown[]): StoredHole => {
  const [partition, firstCheckpoint, lastCheckpoint, firstSequence, lastSequence, ...rest] = row
  const [events, lostBy, aggregates, foundAt, acknowledgedAt, restoredTo, restoredEvents] = rest
  return {
    partition,
    firstCheckpoint,
    lastCheckpoint,
    firstSequence,
    lastSequence,
    events,
    lostBy,
    aggregates,
    foundAt,
    acknowledgedAt,
    ...(restoredTo === null ? {} : { restored: { to: restoredTo, events: restoredEvents } }),
  } as StoredHole
}

export const readHoles = async (connection: DuckDBConnection): Promise<StoredHole[]> =>
  (await connection.runAndReadAll(SELECT)).getRowsJS().map(toHole)

/** Answers how many were no alarm before. */
export const acknowledgeHoles = async (connection: DuckDBConnection, now: number): Promise<number> => {
  const sql = 'UPDATE holes SET acknowledged_at = epoch_ms($1::BIGINT) WHERE acknowledged_at IS NULL'
  return (await connection.run(sql, [now])).rowsChanged
}
