import type { MeasureState } from '#schema/measures.ts'

export interface SessionSeries {
  dims: (string | null)[]
  state: MeasureState
  events: number
  corrections: number
  /** Of the last row at the session's present start; 0 when there is none yet. */
  revision: number
  /** Differs from the last row. */
  changed: boolean
}

/** A session window: [start, last + gap). Times are milliseconds since 1970. */
export interface Session {
  readonly source: string
  readonly id: string
  /** Of the first and the last event. */
  start: number
  last: number
  readonly series: Map<string, SessionSeries>
  /** Where in the log it was counted as ended; undefined while it goes on, or when nobody counts. */
  ended: number | undefined
  /** It has become part of another one, or is forgotten. */
  gone: boolean
  /** Whoever waits for its end has it in a queue. */
  queued: boolean
}

/** Where an event belongs. */
interface Place {
  /** The session that it joins; undefined: it begins one. */
  target?: Session
  /** The later session that it connects with the target: both become one. */
  bridged?: Session
}

/**
 * Places an event among the sessions of its id (in the order of their starts). It joins those that it is at most `gap`
 * away from. None grows longer than `mostMs` from its first to its last event: an event that would make it so joins the
 * later neighbour if it can, else it begins a session of its own, and two sessions that would be longer stay apart.
 */
export const placeOf = (sessions: readonly Session[], time: number, gap: number, mostMs: number): Place => {
  let before: Session | undefined
  let after: Session | undefined
  for (const session of sessions) {
    if (session.start > time) {
      after = session
      break
    }
    before = session
  }
  if (before && time <= before.last) return { target: before }
  if (before && time > before.last + gap) before = undefined
  if (after && time < after.start - gap) after = undefined
  if (before && time - before.start <= mostMs) {
    return { target: before, bridged: after && after.last - before.start <= mostMs ? after : undefined }
  }
  return { target: after && after.last - time <= mostMs ? after : undefined }
}
