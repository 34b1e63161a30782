import type { DuckDBConnection } from '@duckdb/node-api'
import type { OlapPart, RawLines, ReceivedPart } from '#processors/ports.ts'
import type { EventLine } from '#schema/event.ts'
import { addSettled, minuteStart } from '#schema/ledger.ts'
import type { LogPositions } from '#schema/olap.ts'
import { follows } from './positions.ts'
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
  await spool.with(lines, SETTLED_COLUMNS, (table) =>
    connection.run(`INSERT INTO settled_minutes SELECT tenant, epoch_ms(minute), "C", "L", "D", "I" FROM ${table}`),
  )
}

const REPEATED_COLUMNS = {
  tenant: 'VARCHAR',
  source: 'VARCHAR',
  id: 'VARCHAR',
  key: 'VARCHAR',
  receivedAt: 'BIGINT',
  partition: 'INTEGER',
  sequence: 'BIGINT',
  index: 'INTEGER',
}

/** Read here and not by DuckDB: the fold has read them like this, and what DuckDB refuses may be among them. */
const repeatedRows = ({ partition, repeated }: OlapPart): string[] =>
  repeated.flatMap(({ sequence, lines, indexes }: RawLines) =>
    lines.map((text, i) => {
      const { tenant, source, key, receivedAt, e } = JSON.parse(text) as EventLine
      const named = { tenant, source, key: key.toWellFormed(), id: e.id.toWellFormed() }
      return JSON.stringify({ ...named, receivedAt: Math.trunc(receivedAt), partition, sequence, index: indexes[i] })
    }),
  )

/** Keeps the copies that the processor found to be duplicates. */
export const insertRepeated = async (
  connection: DuckDBConnection,
  spool: Spool,
  parts: readonly OlapPart[],
): Promise<void> => {
  const lines = parts.flatMap(repeatedRows)
  if (lines.length === 0) return
  await spool.with(lines, REPEATED_COLUMNS, (table) =>
    connection.run(`INSERT INTO duplicates
      SELECT tenant, source, id, key, epoch_ms("receivedAt"), "partition", sequence, "index", false, ${idSql('tenant', 'id')}
      FROM ${table}`),
  )
}

const POSITIONS = `
SELECT p.sequence::DOUBLE, r.sequence::DOUBLE FROM positions p JOIN received_positions r USING ("partition")
ORDER BY "partition"`

/** Up to where each partition's log is settled and stored, and its headers are read. */
export const readLogPositions = async (connection: DuckDBConnection): Promise<LogPositions> => {
  const [settled, received] = (await connection.runAndReadAll(POSITIONS)).getColumnsJS() as [number[], number[]]
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
      await spool.with(lines, RECEIVED_COLUMNS, (table) =>
        connection.run(`INSERT INTO received_minutes
          SELECT "partition", sequence, tenant, epoch_ms(minute), accepted, rejected, shed FROM ${table}`),
      )
    }
    for (const { partition, sequence } of fresh) {
      await connection.run('UPDATE received_positions SET sequence = $2 WHERE "partition" = $1', [partition, sequence])
    }
  })
}
