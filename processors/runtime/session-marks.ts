import { type Mark, SESSIONS, type SegmentSession } from '#schema/checkpoint.ts'
import { liveRetention } from '#schema/limits.ts'
import { sessionKey } from '#schema/session-rows.ts'

/** Latest end of a session's rows and their last change, milliseconds since 1970. */
interface Known {
  end: number
  changedAt: number
}

interface Sessions {
  tenant: string
  metric: string
  gap: number
  /** By sessionKey. */
  live: Map<string, Known>
  mark: number
}

/**
 * Which sessions live views have to find in the state. One leaves a while after its end and its last change, wholly: a
 * series that fell silent early stays for as long as its session. The mark is the latest end of any that left. Sessions
 * that can still change stay in the state as well, which is not for this to say.
 */
export const createSessionMarks = (known: readonly Mark[]) => {
  const all = new Map<string, Sessions>()
  const sessionsOf = (tenant: string, metric: string, gap: number): Sessions => {
    const key = `${tenant}\n${metric}\n${gap}`
    let sessions = all.get(key)
    if (!sessions) {
      sessions = { tenant, metric, gap, live: new Map(), mark: Number.NEGATIVE_INFINITY }
      all.set(key, sessions)
    }
    return sessions
  }
  for (const { tenant, metric, size, sessions, mark } of known) {
    if (sessions) sessionsOf(tenant, metric, size).mark = mark
  }

  return {
    note(rows: readonly SegmentSession[]): void {
      for (const row of rows) {
        if (row.metric === SESSIONS) continue
        const { live } = sessionsOf(row.tenant, row.metric, row.gap)
        const key = sessionKey(row)
        const before = live.get(key)
        if (!before) live.set(key, { end: row.end, changedAt: row.changedAt })
        else {
          before.end = Math.max(before.end, row.end)
          before.changedAt = Math.max(before.changedAt, row.changedAt)
        }
      }
    },
    /** Lets sessions go by the wall clock. */
    advance(now: number): void {
      for (const sessions of all.values()) {
        const retention = liveRetention(sessions.gap)
        for (const [key, { end, changedAt }] of sessions.live) {
          if (Math.max(changedAt, end) + retention >= now) continue
          sessions.live.delete(key)
          sessions.mark = Math.max(sessions.mark, end)
        }
      }
    },
    isLive: (row: SegmentSession): boolean => sessionsOf(row.tenant, row.metric, row.gap).live.has(sessionKey(row)),
    list: (): Mark[] =>
      [...all.values()]
        .filter(({ mark }) => Number.isFinite(mark))
        .map(({ tenant, metric, gap, mark }) => ({ tenant, metric, size: gap, sessions: true, mark })),
  }
}
