import type { Mark, SegmentRow, SegmentSession } from '#schema/checkpoint.ts'
import { createSessionMarks } from './session-marks.ts'

interface Windows {
  tenant: string
  metric: string
  size: number
  /** Broker-independent wall time of the last change, by slice start. */
  changedAt: Map<number, number>
  mark: number
}

/**
 * Which slices and sessions are in the live state. A slice leaves when its retention has passed since its last change and its end; the
 * mark is the end of the latest that left, and everything that ends at or before it is answered by the OLAP store from
 * then on. `retentionOf`: see sliceRetention; it may change when a definition does.
 */
export const createMarks = (
  known: readonly Mark[],
  retentionOf: (tenant: string, metric: string, size: number) => number,
) => {
  const all = new Map<string, Windows>()
  const windowsOf = (tenant: string, metric: string, size: number): Windows => {
    const key = `${tenant}\n${metric}\n${size}`
    let windows = all.get(key)
    if (!windows) {
      windows = { tenant, metric, size, changedAt: new Map(), mark: Number.NEGATIVE_INFINITY }
      all.set(key, windows)
    }
    return windows
  }
  for (const { tenant, metric, size, sessions, mark } of known) {
    if (!sessions) windowsOf(tenant, metric, size).mark = mark
  }
  const ofSessions = createSessionMarks(known)

  return {
    note(rows: readonly SegmentRow[], sessions: readonly SegmentSession[] = []): void {
      ofSessions.note(sessions)
      let windows: Windows | undefined
      for (const { tenant, metric, size, start, changedAt } of rows) {
        // Rows of one slice stand together.
        if (windows?.tenant !== tenant || windows.metric !== metric || windows.size !== size) {
          windows = windowsOf(tenant, metric, size)
        }
        if (start + size <= windows.mark) continue
        windows.changedAt.set(start, Math.max(changedAt, windows.changedAt.get(start) ?? 0))
      }
    },
    /** Raises marks by the wall clock. */
    advance(now: number): void {
      for (const windows of all.values()) {
        const retention = retentionOf(windows.tenant, windows.metric, windows.size)
        for (const [start, changedAt] of windows.changedAt) {
          const end = start + windows.size
          if (Math.max(changedAt, end) + retention >= now) continue
          windows.mark = Math.max(windows.mark, end)
        }
        for (const start of windows.changedAt.keys()) {
          if (start + windows.size <= windows.mark) windows.changedAt.delete(start)
        }
      }
      ofSessions.advance(now)
    },
    /** Whether a row's window is still in the live state. */
    isLive: (row: SegmentRow): boolean => row.start + row.size > windowsOf(row.tenant, row.metric, row.size).mark,
    /** Whether a live view has to find a row's session in the state. */
    isLiveSession: ofSessions.isLive,
    list: (): Mark[] => [
      ...[...all.values()]
        .filter(({ mark }) => Number.isFinite(mark))
        .map(({ tenant, metric, size, mark }) => ({ tenant, metric, size, mark })),
      ...ofSessions.list(),
    ],
  }
}
