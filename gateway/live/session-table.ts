import { OTHER, type SessionRow } from '#schema/checkpoint.ts'
import { type MeasureState, stateFromJson } from '#schema/measures.ts'
import { seriesKey } from '#schema/metric.ts'
import { sessionKey } from '#schema/session-rows.ts'
import { noPositions, type Positions } from './positions.ts'
import { createTimeIndex, type TimeIndex } from './time-index.ts'

/** One series of a session, as its newest row says. */
export interface SessionSeries {
  dims: (string | null)[]
  state: MeasureState
  events: number
  corrections: number
  revision: number
  retracted: boolean
}

/** A session window [start, end) of one source and session id. All of its rows come from one partition. */
export interface SessionWindow {
  source: string
  id: string
  start: number
  /** The latest of its rows: last event + gap. */
  end: number
  series: Map<string, SessionSeries>
  /** Series that are not retracted. With none left the session is retracted: it has merged, or begins earlier. */
  counted: number
  /** A series without a name is in it: the cap was reached. */
  capped: boolean
  /** Changes so far, of all series. */
  revision: number
}

/** A session in the live view, in the row of those of its partition by their last change. */
export interface LiveSession extends SessionWindow {
  partition: number
  /** Checkpoint of its first row; 0 when that is not known. */
  born: number
  /** Checkpoint of the last change, and when that was, milliseconds since 1970 by the processor's clock. */
  changed: number
  changedAt: number
  older: LiveSession | undefined
  newer: LiveSession | undefined
}

/** Sessions of one gap of one version of a metric. */
export interface SessionTable {
  tenant: string
  metric: string
  version: number
  gap: number
  /** By sessionKey. */
  sessions: Map<string, LiveSession>
  byStart: TimeIndex<LiveSession>
  byEnd: TimeIndex<LiveSession>
  /** By partition: the session that changed last, from which `older` leads to those before. */
  newest: (LiveSession | undefined)[]
  /** By partition: checkpoint of the last change of sessions that have left. */
  forgotten: number[]
}

/** Where a row comes from. */
export interface SessionOrigin {
  partition: number
  checkpoint: number
  at: number
}

export const newSessionTable = (row: SessionRow, partitions: number): SessionTable => ({
  tenant: row.tenant,
  metric: row.metric,
  version: row.version,
  gap: row.gap,
  sessions: new Map(),
  byStart: createTimeIndex(),
  byEnd: createTimeIndex(),
  newest: new Array<LiveSession | undefined>(partitions).fill(undefined),
  forgotten: noPositions(partitions),
})

export const newSession = ({ source, session, start, end }: SessionRow): SessionWindow => ({
  source,
  id: session,
  start,
  end,
  series: new Map(),
  counted: 0,
  capped: false,
  revision: 0,
})

/** Puts a row in the place of an older one of its series; false when what is there is as new. */
export const setRow = (session: SessionWindow, row: SessionRow): boolean => {
  const key = seriesKey(row.dims)
  const before = session.series.get(key)
  if (before && before.revision >= row.revision) return false
  const { dims, events, corrections, revision, retracted = false } = row
  session.series.set(key, { dims, state: stateFromJson(row), events, corrections, revision, retracted })
  if (before && !before.retracted) session.counted--
  if (!retracted) session.counted++
  session.revision += revision - (before?.revision ?? 0)
  if (row.end > session.end) session.end = row.end
  if (dims[0] === OTHER) session.capped = true
  return true
}

/**
 * Takes a row in and answers its session, which is made if there is none; where it stands in the table is left to the
 * caller. `born`: the checkpoint that is noted as the first of a session that is new here.
 */
export const foldSessionRow = (
  table: SessionTable,
  row: SessionRow,
  { partition, checkpoint, at }: SessionOrigin,
  born: number,
): LiveSession => {
  const key = sessionKey(row)
  let session = table.sessions.get(key)
  if (!session) {
    const unplaced = { partition, born, changed: 0, changedAt: 0, older: undefined, newer: undefined }
    session = { ...newSession(row), ...unplaced }
    table.sessions.set(key, session)
  }
  if (!setRow(session, row)) return session
  if (checkpoint > session.changed) session.changed = checkpoint
  if (at > session.changedAt) session.changedAt = at
  return session
}

const unlink = (table: SessionTable, session: LiveSession): void => {
  const { partition, older, newer } = session
  if (older) older.newer = newer
  if (newer) newer.older = older
  else if (table.newest[partition] === session) table.newest[partition] = older
  session.older = undefined
  session.newer = undefined
}

/** The session has changed last of all of its partition. `endBefore`: where it stood in byEnd; undefined: nowhere. */
export const placeSession = (table: SessionTable, session: LiveSession, endBefore?: number): void => {
  if (endBefore === undefined) table.byStart.add(session.start, session)
  else {
    unlink(table, session)
    if (endBefore !== session.end) table.byEnd.remove(endBefore, session)
  }
  if (endBefore !== session.end) table.byEnd.add(session.end, session)
  const before = table.newest[session.partition]
  if (before) before.newer = session
  session.older = before
  table.newest[session.partition] = session
}

/** The session leaves; what changed up to its last change can no longer be told. */
export const dropSession = (table: SessionTable, key: string, session: LiveSession): void => {
  const { partition, changed, start, end } = session
  table.sessions.delete(key)
  if (changed > table.forgotten[partition]) table.forgotten[partition] = changed
  unlink(table, session)
  table.byStart.remove(start, session)
  table.byEnd.remove(end, session)
}

/** Sessions that changed after `since`: it costs what it yields, not what there is. */
export function* changedSessions(table: SessionTable, since: Positions): Generator<LiveSession> {
  for (let p = 0; p < table.newest.length; p++) {
    for (let session = table.newest[p]; session && session.changed > since[p]; session = session.older) yield session
  }
}
