import { MillraceError } from '#schema/errors.ts'
import type { Positions } from '#schema/olap.ts'
import type { DruidClient, SqlAnswer } from './client.ts'
import { unavailable } from './sql-errors.ts'

/** Tables whose rows say how far they are. */
export const POSITIONED = ['minly_aggs', 'hourly_aggs', 'session_aggs'] as const
type PositionedTable = (typeof POSITIONED)[number]

/** Of a table that nobody has made yet, or that has no rows: Druid knows no difference. */
const isUnknownTable = (error: unknown): boolean =>
  error instanceof MillraceError && error.code === 'BAD_INPUT' && /Object '[a-z_]+' not found/.test(error.message)

const NOTHING: SqlAnswer = { columns: [], rows: [] }

/** No rows where there is no table. */
export const orNothing = (answer: Promise<SqlAnswer>): Promise<SqlAnswer> =>
  answer.catch((error: unknown) => {
    if (isUnknownTable(error)) return NOTHING
    throw error
  })

const POSITIONS = (table: string): string =>
  `SELECT position_of, MAX("position") FROM ${table} WHERE position_of IS NOT NULL GROUP BY 1`

/**
 * Segments that should be loaded and are not: Druid answers without them and says nothing. Not those that the rules load
 * nowhere (replication_factor 0).
 */
const MISSING = `SELECT COUNT(*) FROM sys.segments
  WHERE datasource = ? AND is_active = 1 AND is_published = 1 AND is_available = 0 AND replication_factor <> 0`

export interface Freshness {
  /** Where a table is now; never behind what a former answer has said. */
  positions(table: PositionedTable): Promise<Positions>
  /**
   * What `read` answers of a table, with positions that it surely holds. Rejects with UNAVAILABLE while Druid has less
   * than a former answer had, before or after: no number that somebody has seen falls again.
   */
  reading<T>(table: PositionedTable, read: () => Promise<T>): Promise<{ answer: T; positions: Positions }>
}

export interface FreshnessOptions {
  partitions: number
  /** The newest checkpoint of a partition that was ever made. */
  newest(partition: number): Promise<number>
}

/**
 * After its indexer has died Druid goes back to its last hand-off and catches up: that must not be seen. Neither must
 * what another deployment has left in it: its checkpoints have the same numbers.
 */
export const watchFreshness = (client: DruidClient, { partitions, newest }: FreshnessOptions): Freshness => {
  const highest = new Map<PositionedTable, Positions>()
  const made = Array.from({ length: partitions }, () => 0)

  const checkMade = async (positions: Positions): Promise<void> => {
    for (const [partition, checkpoint] of positions.entries()) {
      if (checkpoint > made[partition]) made[partition] = await newest(partition)
      if (checkpoint <= made[partition]) continue
      const [n, m] = [checkpoint, made[partition]]
      throw unavailable(
        `Druid has checkpoint ${n} of partition ${partition}, and the newest is ${m}: it holds what another deployment wrote; give this one a Druid of its own`,
      )
    }
  }

  const now = async (table: PositionedTable): Promise<Positions> => {
    const { rows } = await orNothing(client.query(POSITIONS(table)))
    const positions = Array.from({ length: partitions }, () => 0)
    for (const [partition, checkpoint] of rows) positions[Number(partition)] = Number(checkpoint)
    await checkMade(positions)
    return positions
  }

  const check = (positions: Positions, least: Positions = []): void => {
    const partition = least.findIndex((checkpoint, p) => positions[p] < checkpoint)
    if (partition < 0) return
    const [n, m] = [positions[partition], least[partition]]
    throw unavailable(
      `Druid is behind: at checkpoint ${n} of ${m} in partition ${partition}; try again in a few seconds`,
    )
  }

  const positions = async (table: PositionedTable): Promise<Positions> => {
    const found = await now(table)
    check(found, highest.get(table))
    const known = highest.get(table) ?? found
    highest.set(
      table,
      known.map((checkpoint, p) => Math.max(checkpoint, found[p])),
    )
    return found
  }

  const checkSegments = async (table: PositionedTable): Promise<void> => {
    const { rows } = await client.query(MISSING, [table])
    const count = Number(rows[0]?.[0] ?? 0)
    if (count > 0) throw unavailable(`Druid is loading ${count} segments of ${table}; try again in a few seconds`)
  }

  return {
    positions,
    async reading(table, read) {
      // Before the rows: they hold at least so much. After them: Druid has not gone back meanwhile.
      const before = await positions(table)
      const answer = await read()
      const [after] = await Promise.all([now(table), checkSegments(table)])
      check(after, before)
      return { answer, positions: before }
    },
  }
}
