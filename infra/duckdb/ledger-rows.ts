import type { DuckDBConnection } from '@duckdb/node-api'
import type { OlapPart, RawLines, ReceivedPart } from '#processors/ports.ts'
import type { EventLine } from '#schema/event.ts'
import { addSettled, minuteStart } from '#schema/ledger.ts'
import type { LogPositions } from '#schema/olap.ts'
import { withRows } from './given-rows.ts'
import { follows } from './positions.ts'
import { readPrepared } from './prepared.ts'
import type { Spool } from './spool.ts'
import { idSql } from './tables.ts'
import { transaction } from './transaction.ts'

const SETTLED_COLUMNS = { tenant: 'VARCHAR', minute: 'BIGINT', C: 'BIGINT', L: 'BIGINT', D: 'BIGINT', I: 'BIGINT' }

/** Adds what the parts' settlements say. */
export const insertSettled = async (
  connection: DuckDBConnection,
  spool: Spool,
  parts: readonly OlapPart[],
): Promise<void> => {
  const rows = addSettled(parts.map(({ settled }) => settled))
  if (rows.length === 0) return
  const lines = rows.map((row) => JSON.stringify({ ...row, minute: minuteStart(row.minute) }))
  await withRows(
    connection,
    spool,
    lines,
    SETTLED_COLUMNS,
    (table) => `INSERT INTO settled_minutes SELECT tenant, epoch_ms(minute), "C", "L", "D", "I" FROM ${table}`,
  )
}

/** A copy of an event that was counted already. */
export interface RepeatedRow {
  tenant: string
  source: string | null
  id: string
  key: string | null
  /** Milliseconds since 1970. */
  receivedAt: number | null
  partition: number
  sequence: number
  index: number
  /** It was settled as late. */
  late: boolean
}

const REPEATED_COLUMNS: Record<keyof RepeatedRow, string> = {
  tenant: 'VARCHAR',
  source: 'VARCHAR',
  id: 'VARCHAR',
  key: 'VARCHAR',
  receivedAt: 'BIGINT',
  partition: 'INTEGER',
  sequence: 'BIGINT',
  index: 'INTEGER',
  late: 'BOOLEAN',
}

/** Read here and not by DuckDB: the fold has read them like this, and what DuckDB refuses may be among them. */
export const repeatedRows = ({ partition, repeated }: OlapPart): RepeatedRow[] =>
  repeated.flatMap(({ sequence, lines, indexes }: RawLines) =>
    lines.map((text, i) => {
      const { tenant, source, key, receivedAt, e } = JSON.parse(text) as EventLine
      const named = { tenant, source, key: key.toWellFormed(), id: e.id.toWellFormed() }
      const place = { partition, sequence, index: indexes[i] }
      return { ...named, receivedAt: Math.trunc(receivedAt), ...place, late: false }
    }),
  )

/** Keeps copies of events that were counted already. */
export const insertRepeated = async (
  connection: DuckDBConnection,
  spool: Spool,
  rows: readonly RepeatedRow[],
): Promise<void> => {
  if (rows.length === 0) return
  await withRows(
    connection,
    spool,
    rows.map((row) => JSON.stringify(row)),
    REPEATED_COLUMNS,
    (table) => `INSERT INTO duplicates
      SELECT tenant, source, id, key, epoch_ms("receivedAt"), "partition", sequence, "index", late, ${idSql('tenant', 'id')}
      FROM ${table}`,
  )
}

const COUNTER_COLUMNS = { tenant: 'VARCHAR', count: 'BIGINT' }

/** Adds to what is counted of duplicates, by tenant. */
export const countDuplicates = async (
  connection: DuckDBConnection,
  spool: Spool,
  counts: ReadonlyMap<string, number>,
): Promise<void> => {
  const lines = [...counts].filter(([, count]) => count > 0).map(([tenant, count]) => JSON.stringify({ tenant, count }))
  if (lines.length === 0) return
  await withRows(
    connection,
    spool,
    lines,
    COUNTER_COLUMNS,
    (table) => `INSERT INTO counters SELECT tenant, 'duplicate', "count" FROM ${table}`,
  )
}

const POSITIONS = `
SELECT p.sequence::DOUBLE, r.sequence::DOUBLE FROM positions p JOIN received_positions r USING ("partition")
ORDER BY "partition"`

/** Up to where each partition's log is settled and stored, and its headers are read. */
export const readLogPositions = async (connection: DuckDBConnection): Promise<LogPositions> => {
  const [settled, received] = (await readPrepared(connection, POSITIONS)).getColumnsJS() as [number[], number[]]
  return { settled, received }
}

const RECEIVED_COLUMNS = {
  partition: 'INTEGER',
  sequence: 'BIGINT',
  tenant: 'VARCHAR',
  minute: 'BIGINT',
  accepted: 'BIGINT',
  rejected: 'BIGINT',
  shed: 'BIGINT',
}

const MOVED_COLUMNS = { partition: 'INTEGER', sequence: 'BIGINT' }

const receivedRows = ({ partition, frames }: ReceivedPart): string[] =>
  frames.flatMap(({ sequence, received }) =>
    received.map((slot) => JSON.stringify({ ...slot, minute: minuteStart(slot.minute), partition, sequence })),
  )

/** Counts and positions in one transaction; what is there already is left out. */
export const writeReceived = async (
  connection: DuckDBConnection,
  spool: Spool,
  parts: readonly ReceivedPart[],
): Promise<void> => {
  const { received } = await readLogPositions(connection)
  const fresh = parts.filter(({ partition, after, sequence }) =>
    follows(partition, received[partition], after, sequence),
  )
  if (fresh.length === 0) return
  const lines = fresh.flatMap(receivedRows)
  await transaction(connection, async () => {
    if (lines.length > 0) {
      await withRows(
        connection,
        spool,
        lines,
        RECEIVED_COLUMNS,
        (table) => `INSERT INTO received_minutes
          SELECT "partition", sequence, tenant, epoch_ms(minute), accepted, rejected, shed FROM ${table}`,
      )
    }
    await withRows(
      connection,
      spool,
      fresh.map(({ partition, sequence }) => JSON.stringify({ partition, sequence })),
      MOVED_COLUMNS,
      (table) => `INSERT INTO received_position_changes SELECT "partition", sequence FROM ${table}`,
    )
  })
}
