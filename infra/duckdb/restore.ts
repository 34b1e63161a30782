import type { DuckDBConnection } from '@duckdb/node-api'
import type { Logger, Restoration } from '#processors/ports.ts'
import { insertLines, type RawLine, rawLines } from './raw-rows.ts'
import { findRefused, isRefusal, without } from './refused.ts'
import type { Spool } from './spool.ts'
import { transaction } from './transaction.ts'

interface RestoreDependencies {
  connection: DuckDBConnection
  spool: Spool
  logger: Logger
}

const HOLE = `"partition" = $1 AND first_sequence = $2 AND lost_by = 'STORE'`
const FROM = `SELECT max(coalesce(restored_to, first_sequence - 1))::DOUBLE FROM holes WHERE ${HOLE}`
const MOVE = `UPDATE holes SET restored_to = $3, restored_events = coalesce(restored_events, 0) + $4 WHERE ${HOLE}`

/** Rows and how far the hole is filled, in one transaction; what is there already is left out. Answers how many rows. */
const restoreOnce = (
  { connection, spool }: RestoreDependencies,
  { partition, firstSequence, to, raw }: Restoration,
  leftOut: ReadonlySet<string>,
): Promise<number> =>
  transaction(connection, async () => {
    const [[from]] = (await connection.runAndReadAll(FROM, [partition, firstSequence])).getRows()
    if (from === null || (from as number) >= to) return 0
    const lines = rawLines([{ partition, raw }]).filter(
      (line) => line.sequence > (from as number) && !leftOut.has(placeOf(line)),
    )
    await insertLines(connection, spool, lines)
    await connection.run(MOVE, [partition, firstSequence, to, lines.length])
    return lines.length
  })

const placeOf = ({ sequence, index }: RawLine): string => `${sequence} ${index}`

/** Puts raw events of a hole back. What DuckDB refuses stays out, as it did when it first came. */
export const restoreRaw = async (dependencies: RestoreDependencies, restoration: Restoration): Promise<number> => {
  const { connection, spool, logger } = dependencies
  try {
    return await restoreOnce(dependencies, restoration, new Set())
  } catch (error) {
    if (!isRefusal(error)) throw error
    const lines = rawLines([restoration])
    const refused = await findRefused(connection, lines, (some) => insertLines(connection, spool, some))
    if (refused.length === 0) throw error
    for (const { item, reason } of refused) {
      const { partition, sequence, index } = item
      logger.error({ partition, sequence, index, reason }, 'the store refused an event from the archive')
    }
    const kept = new Set(without(lines, refused).map(placeOf))
    const leftOut = new Set(lines.map(placeOf).filter((place) => !kept.has(place)))
    return restoreOnce(dependencies, restoration, leftOut)
  }
}
