import { SESSIONS, type SegmentSession, type SessionRow } from '#schema/checkpoint.ts'
import { liveRetention } from '#schema/limits.ts'
import { sessionKey } from '#schema/session-rows.ts'
import {
  dropSession,
  foldSessionRow,
  type LiveSession,
  newSessionTable,
  placeSession,
  type SessionOrigin,
  type SessionTable,
} from './session-table.ts'

/** Sessions of one source in one partition that end before it can change no more, milliseconds since 1970. */
export type ClosedBefore = (tenant: string, source: string, partition: number) => number

/**
 * Processors let rows go by their own clocks, and one row of a session before another. Of what leaves so soon after it is
 * loaded, some may be gone already.
 */
const LEAVING_MS = 5 * 60_000

/**
 * The sessions of a live view. One leaves a while after its end and its last change, and only when no event can reach it
 * any more: what has left never changes again.
 */
export const createLiveSessions = (partitions: number, closedBefore: ClosedBefore) => {
  const tables = new Map<string, SessionTable>()
  const marks = new Map<string, number>()

  const markKey = (tenant: string, metric: string, gap: number): string => `${tenant} ${metric} ${gap}`

  const tableOf = (row: SessionRow): SessionTable => {
    const key = `${markKey(row.tenant, row.metric, row.gap)} ${row.version}`
    let table = tables.get(key)
    if (!table) {
      table = newSessionTable(row, partitions)
      tables.set(key, table)
    }
    return table
  }

  const raiseMark = (tenant: string, metric: string, gap: number, mark: number): void => {
    const key = markKey(tenant, metric, gap)
    marks.set(key, Math.max(mark, marks.get(key) ?? Number.NEGATIVE_INFINITY))
  }

  const hasLeft = ({ tenant, gap }: SessionTable, session: LiveSession, now: number): boolean =>
    Math.max(session.changedAt, session.end) + liveRetention(gap) <= now &&
    session.end < closedBefore(tenant, session.source, session.partition)

  const sweepTable = (table: SessionTable, now: number): void => {
    for (const [key, session] of table.sessions) {
      if (!hasLeft(table, session, now)) continue
      dropSession(table, key, session)
      raiseMark(table.tenant, table.metric, table.gap, session.end)
    }
  }

  return {
    /** Rows of one partition's state, after its clocks. `now`: milliseconds since 1970. */
    load(partition: number, rows: readonly SegmentSession[], now: number): void {
      const loaded = new Map<LiveSession, SessionTable>()
      for (const row of rows) {
        if (row.metric === SESSIONS) continue
        const table = tableOf(row)
        const origin = { partition, checkpoint: row.changed, at: row.changedAt }
        loaded.set(foldSessionRow(table, row, origin, 0), table)
      }
      const inOrder = [...loaded].sort(([a], [b]) => a.changed - b.changed)
      for (const [session, table] of inOrder) placeSession(table, session)
      for (const table of new Set(loaded.values())) sweepTable(table, now + LEAVING_MS)
    },

    /** Rows of the next checkpoint of a partition. */
    apply(rows: readonly SessionRow[], origin: SessionOrigin): void {
      for (const row of rows) {
        if (row.metric === SESSIONS) continue
        const table = tableOf(row)
        const endBefore = table.sessions.get(sessionKey(row))?.end
        placeSession(table, foldSessionRow(table, row, origin, origin.checkpoint), endBefore)
      }
    },

    table: (tenant: string, metric: string, version: number, gap: number): SessionTable | undefined =>
      tables.get(`${markKey(tenant, metric, gap)} ${version}`),

    /** Sessions that have left end at or before it. -Infinity: none ever left. */
    mark: (tenant: string, metric: string, gap: number): number =>
      marks.get(markKey(tenant, metric, gap)) ?? Number.NEGATIVE_INFINITY,
    raiseMark,

    /** Drops what has not changed for its retention, and tables for which `isCurrent` is false. */
    sweep(now: number, isCurrent: (table: SessionTable) => boolean): void {
      for (const [key, table] of tables) {
        if (isCurrent(table)) sweepTable(table, now)
        else tables.delete(key)
      }
    },
  }
}
