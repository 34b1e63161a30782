import { OTHER, type SessionRow } from '#schema/checkpoint.ts'
import { LIMITS, MOST_SESSION_MS } from '#schema/limits.ts'
import {
  type Measure,
  type MeasureState,
  mergeState,
  sketchSize,
  stateFromJson,
  stateToJson,
  trimState,
} from '#schema/measures.ts'
import { seriesKey } from '#schema/metric.ts'
import { placeOf, type Session, type SessionSeries } from './session.ts'
import type { RowHead } from './slices.ts'

/** What of an event places it in a session, and what it adds there. Times are milliseconds since 1970. */
export interface SessionEvent {
  source: string
  session: string
  time: number
  dims: (string | null)[]
  value: ReturnType<Measure['read']>
  weight: number
  /** Of its source, before its frame. */
  watermark: number
}

export interface SessionStoreOptions {
  gap: number
  measure: Measure
  /** One series a session, with the dimensions of its first event; otherwise one for all dimensions that are alike. */
  firstDims?: boolean
  /** A session that is there already is about to change. */
  onChange?: (session: Session) => void
}

/** Numbers of a sketch that take about as much as a row does without. */
const SKETCH_OF_A_ROW = 16

const NO_SESSIONS: readonly Session[] = []

/**
 * Session windows of one gap of one metric: the events of one source and session id that follow each other by at most
 * the gap, which is inclusive as in Flink, Kafka Streams and Bytewax. Sessions of different sources never merge: so what
 * is older than the horizon of its source is closed for good, and can be forgotten without anybody seeing it.
 */
export class SessionStore {
  readonly gap: number
  private readonly options: SessionStoreOptions
  /** By source and session id; those of one id in the order of their starts. */
  private readonly sources = new Map<string, Map<string, Session[]>>()
  private changed: { session: Session; series: SessionSeries }[] = []
  private retracted: Omit<SessionRow, keyof RowHead | 'gap'>[] = []
  private cost = 0
  private latestEnd = Number.NEGATIVE_INFINITY
  /** What a row says stands for itself: there is no total beside it. */
  private readonly nothing: MeasureState

  constructor(options: SessionStoreOptions) {
    this.gap = options.gap
    this.options = options
    this.nothing = options.measure.empty()
  }

  /** Folds one event in; answers the session that it belongs to. */
  add(event: SessionEvent): Session {
    const { source, session: id, time, watermark } = event
    const { target, bridged } = placeOf(this.sessionsOf(source, id), time, this.gap, MOST_SESSION_MS)
    let corrects = watermark >= time + this.gap
    for (const known of [target, bridged]) {
      if (!known) continue
      corrects ||= watermark >= known.last + this.gap
      this.options.onChange?.(known)
    }
    const session = target ?? this.begin(source, id, time)
    if (time < session.start) this.moveStart(session, event)
    if (time > session.last) session.last = time
    if (bridged) this.merge(session, bridged)
    const series = this.seriesOf(session, event.dims)
    this.options.measure.add(series.state, event.value, event.weight, this.nothing)
    series.events++
    if (corrects) series.corrections++
    this.touch(session, series)
    this.noteEnd(session)
    return session
  }

  /** What a session says of itself has changed, though no event has come. */
  restate(session: Session): void {
    for (const series of session.series.values()) this.touch(session, series)
  }

  /** Series with changes that no checkpoint has yet; one with a large sketch counts as many. */
  get pending(): number {
    return this.cost + this.retracted.length
  }

  /** Rows of what has changed since the last call. */
  take(head: RowHead): SessionRow[] {
    const { gap } = this
    const rows: SessionRow[] = this.retracted.map((row) => ({ ...head, gap, ...row }))
    for (const { session, series } of this.changed) {
      series.changed = false
      if (session.gone) continue
      const { source, id, start, last, ended } = session
      const { dims, events, corrections, state } = series
      const revision = ++series.revision
      const end = last + gap
      const row = { ...head, gap, source, session: id, start, end, dims, events, corrections, revision }
      rows.push({ ...row, ...(ended === undefined ? {} : { ended }), ...stateToJson(state) })
    }
    this.changed = []
    this.retracted = []
    this.cost = 0
    return rows
  }

  /** Rows as checkpoints had them, those of one key in the order of their revisions. Answers the session that is there. */
  restore(row: SessionRow): Session | undefined {
    const { source, session: id, start, end, dims } = row
    const known = this.sessionsOf(source, id).find((one) => one.start === start)
    const key = this.keyOf(dims)
    if (row.retracted) {
      known?.series.delete(key)
      if (known?.series.size === 0) this.remove(known)
      return undefined
    }
    const session = known ?? this.begin(source, id, start)
    session.last = Math.max(session.last, end - this.gap)
    session.ended = row.ended
    const { events, corrections, revision } = row
    session.series.set(key, { dims, state: stateFromJson(row), events, corrections, revision, changed: false })
    this.noteEnd(session)
    return session
  }

  /** Whether the session of a row is there. */
  has({ source, session, start }: SessionRow): boolean {
    return this.sessionsOf(source, session).some((one) => one.start === start)
  }

  /** Whether some session may end after `time`. */
  hasOpen(time: number): boolean {
    return this.latestEnd > time
  }

  /** Forgets sessions of a source that ended before `closedBefore`, and whose last change a checkpoint has. */
  evict(source: string, closedBefore: number): void {
    for (const sessions of this.sources.get(source)?.values() ?? []) {
      for (const session of [...sessions]) {
        if (session.last + this.gap >= closedBefore) continue
        if (![...session.series.values()].some(({ changed }) => changed)) this.remove(session)
      }
    }
  }

  private sessionsOf(source: string, id: string): readonly Session[] {
    return this.sources.get(source)?.get(id) ?? NO_SESSIONS
  }

  private begin(source: string, id: string, time: number): Session {
    let ids = this.sources.get(source)
    if (!ids) {
      ids = new Map()
      this.sources.set(source, ids)
    }
    const session: Session = {
      source,
      id,
      start: time,
      last: time,
      series: new Map(),
      ended: undefined,
      gone: false,
      queued: false,
    }
    const sessions = ids.get(id)
    if (!sessions) ids.set(id, [session])
    else {
      const after = sessions.findIndex(({ start }) => start > time)
      sessions.splice(after < 0 ? sessions.length : after, 0, session)
    }
    return session
  }

  private remove(session: Session): void {
    session.gone = true
    const ids = this.sources.get(session.source)
    const rest = ids?.get(session.id)?.filter((one) => one !== session) ?? []
    if (rest.length > 0) ids?.set(session.id, rest)
    else ids?.delete(session.id)
  }

  /** Its rows stand at its start: those at the old one are taken back, and all are said anew. */
  private moveStart(session: Session, { time, dims }: SessionEvent): void {
    this.retract(session)
    session.start = time
    for (const series of session.series.values()) {
      if (this.options.firstDims) series.dims = dims
      series.revision = 0
      this.touch(session, series)
    }
  }

  private merge(into: Session, from: Session): void {
    this.retract(from)
    this.remove(from)
    into.last = Math.max(into.last, from.last)
    for (const { dims, state, events, corrections } of from.series.values()) {
      const series = this.seriesOf(into, dims)
      mergeState(series.state, state)
      trimState(series.state)
      series.events += events
      series.corrections += corrections
      this.touch(into, series)
    }
  }

  private retract({ source, id, start, last, series }: Session): void {
    for (const { dims, revision } of series.values()) {
      if (revision === 0) continue
      const counts = { events: 0, corrections: 0, revision: revision + 1 }
      this.retracted.push({ source, session: id, start, end: last + this.gap, dims, ...counts, retracted: true })
    }
  }

  /** Past the cap a new series counts under OTHER. */
  private seriesOf(session: Session, dims: (string | null)[]): SessionSeries {
    const key = this.keyOf(dims)
    const known = session.series.get(key)
    if (known) return known
    if (session.series.size >= LIMITS.seriesPerSession && dims.some((dim) => dim !== OTHER)) {
      return this.seriesOf(
        session,
        dims.map(() => OTHER),
      )
    }
    const state = this.options.measure.empty()
    const series: SessionSeries = { dims, state, events: 0, corrections: 0, revision: 0, changed: false }
    session.series.set(key, series)
    return series
  }

  private keyOf(dims: (string | null)[]): string {
    return this.options.firstDims ? '' : seriesKey(dims)
  }

  private touch(session: Session, series: SessionSeries): void {
    if (series.changed) return
    series.changed = true
    this.changed.push({ session, series })
    this.cost += 1 + Math.floor(sketchSize(series.state) / SKETCH_OF_A_ROW)
  }

  private noteEnd({ last }: Session): void {
    if (last + this.gap > this.latestEnd) this.latestEnd = last + this.gap
  }
}
