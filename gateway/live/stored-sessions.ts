import type { OlapReader, WallClock } from '#gateway/ports.ts'
import type { SessionRow } from '#schema/checkpoint.ts'
import type { Positions as StoredPositions } from '#schema/olap.ts'
import { sessionKey } from '#schema/session-rows.ts'
import type { Positions } from './positions.ts'
import type { Range } from './ranges.ts'
import type { Limits } from './reading.ts'
import type { SessionOperation } from './session-operation.ts'
import { newSession, type SessionWindow, setRow } from './session-table.ts'
import { waitForStore } from './wait-for-store.ts'

/** Sessions as the OLAP store has them, by sessionKey, and the checkpoints that are in them. */
export interface StoredSessionWindows {
  sessions: Map<string, SessionWindow>
  positions: StoredPositions
}

/** Sessions that the store is asked for at once, and all that are looked through for the newest with a point. */
const PAGE = { least: 100, most: 10_000 } as const
const MOST_LOOKED_THROUGH = 100_000

const toSessions = (rows: readonly SessionRow[]): Map<string, SessionWindow> => {
  const sessions = new Map<string, SessionWindow>()
  for (const row of rows) {
    const key = sessionKey(row)
    let session = sessions.get(key)
    if (!session) {
      session = newSession(row)
      sessions.set(key, session)
    }
    setRow(session, row)
  }
  return sessions
}

/** Sessions that have left the live view, asked of the OLAP store. Throws UNAVAILABLE where it does not hold `need`. */
export const createStoredSessions = ({ olap, clock }: { olap: OlapReader; clock: WallClock }) => {
  const tableOf = ({ tenant, metric, version, gapMs: gap }: SessionOperation) => ({ tenant, metric, version, gap })
  const ask = async (
    question: () => ReturnType<OlapReader['sessions']>,
    need: Positions,
    limits: Limits,
  ): Promise<StoredSessionWindows> => {
    const { rows, positions } = await waitForStore(question, need, limits, clock)
    return { sessions: toSessions(rows), positions }
  }

  return {
    /** Those whose start lies in [from, to). */
    range: (
      operation: SessionOperation,
      range: Range,
      need: Positions,
      limits: Limits,
    ): Promise<StoredSessionWindows> => ask(() => olap.sessions({ ...tableOf(operation), ...range }), need, limits),

    /**
     * Those that start before `below`, the newest first, until `count` of them are wanted, there are no more, or a great
     * many were looked through.
     */
    async newest(
      operation: SessionOperation,
      below: number,
      wanted: { count: number; isWanted(session: SessionWindow, key: string): boolean },
      need: Positions,
      limits: Limits,
    ): Promise<StoredSessionWindows> {
      const found: StoredSessionWindows = { sessions: new Map(), positions: [] }
      let missing = wanted.count
      let before = below
      for (
        let count: number = PAGE.least;
        missing > 0 && found.sessions.size < MOST_LOOKED_THROUGH;
        count = PAGE.most
      ) {
        count = Math.max(count, Math.min(missing, PAGE.most))
        const question = { ...tableOf(operation), before, count }
        const page = await ask(() => olap.newestSessions(question), need, limits)
        found.positions = page.positions
        let oldest = before
        for (const [key, session] of page.sessions) {
          oldest = Math.min(oldest, session.start)
          if (found.sessions.has(key)) continue
          found.sessions.set(key, session)
          if (wanted.isWanted(session, key)) missing--
        }
        if (page.sessions.size < count) break
        // More may start at the very same time.
        before = oldest + 1 < before ? oldest + 1 : oldest
      }
      return found
    },
  }
}

export type StoredSessions = ReturnType<typeof createStoredSessions>
