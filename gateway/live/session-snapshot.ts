import { MillraceError } from '#schema/errors.ts'
import type { Point } from './points.ts'
import { covers, noPositions } from './positions.ts'
import type { Range } from './ranges.ts'
import type { Answer, Limits } from './reading.ts'
import type { SessionOperation } from './session-operation.ts'
import { inOrder, sessionPoints } from './session-points.ts'
import type { LiveSession, SessionTable, SessionWindow } from './session-table.ts'
import type { ReadOptions } from './snapshot.ts'
import type { StoredSessionWindows } from './stored-sessions.ts'

/** The live side of an answer, taken at one moment. */
interface Live extends Omit<Answer, 'points'> {
  table: SessionTable | undefined
  /** Sessions that have left end at or before it. */
  mark: number
  /** A session that has left starts before it: there is one gap at least from its start to its end. */
  leftBefore: number
  pointsOf(session: SessionWindow): Point[]
}

const takeLive = (operation: SessionOperation, { view, horizonMs }: ReadOptions): Live => {
  const { tenant, metric, version, gapMs } = operation
  const moment = view.moment(tenant)
  const mark = view.sessionMark(tenant, metric, gapMs)
  const at = { time: moment.time, horizonMs: horizonMs(tenant) }
  return {
    moment,
    asOf: view.asOf(),
    table: view.sessionTable(tenant, metric, version, gapMs),
    mark,
    leftBefore: mark - gapMs + 1,
    pointsOf: (session) => sessionPoints(operation, session, at),
  }
}

/** What the live view has is its own to tell, also that it is retracted. */
const pointsOfLeft = (live: Live, { sessions }: StoredSessionWindows): Point[][] =>
  [...sessions].flatMap(([key, session]) => (live.table?.sessions.has(key) ? [] : [live.pointsOf(session)]))

/**
 * What the store says, and then the live view at a moment that is not before it: so a session that only the store has is
 * one that has left, and not one that is still to come.
 */
const withStore = async (
  first: Live,
  operation: SessionOperation,
  options: ReadOptions,
  { deadlineMs, signal }: Limits,
  read: (live: Live, need: readonly number[]) => Promise<StoredSessionWindows>,
): Promise<{ live: Live; stored: StoredSessionWindows }> => {
  for (let before = first; ; ) {
    const stored = await read(before, before.table?.forgotten ?? noPositions(0))
    if (!(await options.view.reached(stored.positions, deadlineMs, signal))) {
      throw new MillraceError('UNAVAILABLE', 'this gateway is behind the store; try again in a few seconds')
    }
    const live = takeLive(operation, options)
    if (live.mark === before.mark && covers(stored.positions, live.table?.forgotten ?? [])) return { live, stored }
    // Others have left meanwhile: they may be in neither.
    before = live
  }
}

const livePointsIn = ({ table, pointsOf }: Live, { from, to }: Range): Point[] =>
  [...(table?.byStart.around(from, to) ?? [])]
    .filter(({ start, counted }) => counted > 0 && start >= from && start < to)
    .flatMap(pointsOf)

/** Points of sessions whose start lies in [from, to), by start, then by dimensions. */
export const readSessions = async (
  operation: SessionOperation,
  range: Range,
  options: ReadOptions,
  limits: Limits,
): Promise<Answer> => {
  const now = takeLive(operation, options)
  if (now.leftBefore <= range.from) return { ...now, points: inOrder(livePointsIn(now, range)) }
  const { live, stored } = await withStore(now, operation, options, limits, ({ leftBefore }, need) => {
    const older = { from: range.from, to: Math.min(range.to, leftBefore) }
    return options.storedSessions.range(operation, older, need, limits)
  })
  const points = inOrder([...pointsOfLeft(live, stored).flat(), ...livePointsIn(live, range)])
  return { ...live, points, fromStore: true }
}

const newestFirst = function* ({ byStart }: SessionTable): Generator<LiveSession> {
  for (const bucket of byStart.newestFirst()) {
    yield* [...bucket].filter(({ counted }) => counted > 0).sort((a, b) => b.start - a.start)
  }
}

/** By session, the newest first. */
const newestLive = ({ table, pointsOf }: Live, last: number): Point[][] => {
  const found: Point[][] = []
  for (const session of table ? newestFirst(table) : []) {
    const points = pointsOf(session)
    if (points.length > 0 && found.push(points) === last) break
  }
  return found
}

/** Points of the newest `last` sessions that have any, by start, then by dimensions. */
export const readNewestSessions = async (
  operation: SessionOperation,
  last: number,
  options: ReadOptions,
  limits: Limits,
): Promise<Answer> => {
  const now = takeLive(operation, options)
  const recent = newestLive(now, last)
  const oldest = recent.length < last ? Number.NEGATIVE_INFINITY : (recent.at(-1)?.[0].windowStart ?? 0)
  if (now.leftBefore <= oldest || now.mark === Number.NEGATIVE_INFINITY)
    return { ...now, points: inOrder(recent.flat()) }
  const { live, stored } = await withStore(now, operation, options, limits, (before, need) => {
    const isWanted = (session: SessionWindow, key: string): boolean =>
      !before.table?.sessions.has(key) && before.pointsOf(session).length > 0
    return options.storedSessions.newest(operation, before.leftBefore, { count: last, isWanted }, need, limits)
  })
  const both = [...pointsOfLeft(live, stored), ...newestLive(live, last)].filter((points) => points.length > 0)
  const newest = both.sort(([a], [b]) => b.windowStart - a.windowStart).slice(0, last)
  return { ...live, points: inOrder(newest.flat()) }
}
