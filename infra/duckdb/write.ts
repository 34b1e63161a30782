import type { DuckDBConnection } from '@duckdb/node-api'
import type { Logger, OlapPart } from '#processors/ports.ts'
import { insertAggregates } from './aggregate-rows.ts'
import { applyDefinitions } from './definition-rows.ts'
import { keepFoldState } from './fold-state.ts'
import { insertHoles } from './holes.ts'
import { insertLate, lateRows } from './late-rows.ts'
import { insertRepeated, insertSettled } from './ledger-rows.ts'
import { insertMarkers } from './markers.ts'
import { movePositions, notStored, readPositions } from './positions.ts'
import { findRefused, insertRaw, isRefusal, type RawLine, type RefusedLine, rawLines } from './raw-rows.ts'
import type { Spool } from './spool.ts'
import { transaction } from './transaction.ts'

interface WriteDependencies {
  connection: DuckDBConnection
  spool: Spool
  logger: Logger
  now: () => number
}

const countDuplicates = async (connection: DuckDBConnection, parts: readonly OlapPart[]): Promise<void> => {
  for (const { duplicates } of parts) {
    for (const [tenant, count] of Object.entries(duplicates)) {
      if (count > 0) await connection.run(`INSERT INTO counters VALUES ($1, 'duplicate', $2)`, [tenant, count])
    }
  }
}

const writeOnce = (
  { connection, spool, now }: WriteDependencies,
  parts: readonly OlapPart[],
  lines: readonly RawLine[],
  refused: readonly RefusedLine[],
): Promise<void> =>
  transaction(connection, async () => {
    const at = now()
    await insertRaw(connection, spool, lines)
    const aggregates = parts.flatMap((part) => part.aggregates)
    await insertAggregates(connection, spool, aggregates, at)
    await insertLate(connection, spool, lateRows(parts, refused), at)
    await insertRepeated(connection, spool, parts)
    await insertSettled(connection, spool, parts)
    await countDuplicates(connection, parts)
    await applyDefinitions(connection, parts)
    await insertMarkers(connection, spool, parts, at)
    await keepFoldState(connection, parts)
    await insertHoles(connection, parts, at)
    await movePositions(connection, parts)
  })

/** Writes the parts in one transaction. Lines that DuckDB refuses are found by halves and become dead letters. */
export const writeParts = async (dependencies: WriteDependencies, parts: readonly OlapPart[]): Promise<void> => {
  const { connection, spool, logger } = dependencies
  const fresh = notStored(parts, await readPositions(connection))
  if (fresh.length === 0) return
  const lines = rawLines(fresh)
  try {
    await writeOnce(dependencies, fresh, lines, [])
  } catch (error) {
    if (!isRefusal(error)) throw error
    const refused = await findRefused(connection, spool, lines)
    if (refused.length === 0) throw error
    for (const { partition, sequence, index, reason } of refused) {
      logger.error({ partition, sequence, index, reason }, 'the store refused an event: it is a dead letter now')
    }
    const bad = new Set(refused.map(({ partition, sequence, index }) => `${partition} ${sequence} ${index}`))
    const good = lines.filter(({ partition, sequence, index }) => !bad.has(`${partition} ${sequence} ${index}`))
    await writeOnce(dependencies, fresh, good, refused)
  }
}
