import { type DefinitionState, SESSIONS, type SessionRow, type TenantState } from '#schema/checkpoint.ts'
import type { EventLine } from '#schema/event.ts'
import { DEFAULT_LATENESS_HORIZON_MS, DEFAULT_OUT_OF_ORDERNESS_MS } from '#schema/limits.ts'
import { ActiveMetric, type Changes, type Prepared } from './active-metric.ts'
import { IdentityTable } from './identities.ts'
import { MetricIndex } from './metric-index.ts'
import { SessionMetrics } from './session-metrics.ts'
import type { SessionStore } from './sessions.ts'
import { SourceClock } from './watermark.ts'

/** Everything one partition knows of one tenant: no tenant's clock, identities or series touch another's. */
export class TenantFold {
  readonly name: string
  settings: TenantState
  /** Events that were read, and what they stand for. */
  readonly read = { events: 0, weight: 0 }
  readonly clocks = new Map<string, SourceClock>()
  readonly identities = new Map<string, IdentityTable>()
  readonly definitions = new Map<string, DefinitionState>()
  readonly metrics = new Map<string, ActiveMetric>()
  private index: MetricIndex | undefined
  private readonly sessions: SessionMetrics
  /** Changes of definitions that were replaced since the last checkpoint. */
  private replaced: Changes = { rows: [], sessions: [] }

  constructor(name: string) {
    this.name = name
    this.sessions = new SessionMetrics(name, this.metrics)
    this.settings = {
      tenant: name,
      version: 0,
      latenessHorizonMs: DEFAULT_LATENESS_HORIZON_MS,
      outOfOrdernessMs: DEFAULT_OUT_OF_ORDERNESS_MS,
    }
  }

  clock(source: string): SourceClock {
    let clock = this.clocks.get(source)
    if (!clock) {
      clock = new SourceClock(this.name, source)
      this.clocks.set(source, clock)
    }
    return clock
  }

  identitiesOf(source: string): IdentityTable {
    let table = this.identities.get(source)
    if (!table) {
      table = new IdentityTable()
      this.identities.set(source, table)
    }
    return table
  }

  /** Takes effect at its place in the log. Null when this or a newer version is known, else what must be remembered. */
  define(state: DefinitionState): DefinitionState | null {
    const { definition, deleted, sequence = 0 } = state
    const known = this.definitions.get(definition.name)
    if (known && known.definition.version >= definition.version) return null
    this.replace(definition.name)
    if (!deleted) this.metrics.set(definition.name, new ActiveMetric(definition, sequence))
    this.index = undefined
    const remembered = this.sessions.define(state)
    this.definitions.set(definition.name, remembered)
    return remembered
  }

  /** Changes of all metrics since the last call, those of definitions that were replaced meanwhile included. */
  takeChanges(): Changes {
    const { rows, sessions } = this.replaced
    this.replaced = { rows: [], sessions: [] }
    for (const metric of this.metrics.values()) {
      const changes = metric.take(this.name)
      rows.push(...changes.rows)
      sessions.push(...changes.sessions)
    }
    sessions.push(...this.sessions.take())
    return { rows, sessions }
  }

  /**
   * What the metrics read of an event. Everything that can go wrong goes wrong here: what follows only adds numbers up,
   * so that an event is in all of its windows or in none.
   */
  prepare(line: EventLine): Prepared[] {
    this.index ??= new MetricIndex([...this.metrics.values()])
    return this.index.prepare(line)
  }

  /** Never throws. */
  fold(line: EventLine, prepared: readonly Prepared[], watermark: number, storedAt: number): void {
    for (const one of prepared) one.metric.add(line, one, watermark, storedAt)
    for (const tracked of this.sessions.all) tracked.add(line, watermark, { storedAt })
  }

  /** A clock of a source has moved from `before`, or may have judged events that change what has ended by it. */
  advance({ source, watermark }: SourceClock, before: number, at: { sequence: number; storedAt: number }): void {
    for (const tracked of this.sessions.all) tracked.advance(source, before, watermark, at)
  }

  /** What is closed as a whole is to be forgotten after the last one: see evictSessions. */
  restoreSession(row: SessionRow): void {
    if (row.metric === SESSIONS) this.sessions.restore(row)
    else if (this.isCurrent(row)) this.storeOf(row)?.restore(row)
  }

  /** Whether an event may still change a session. A series may have ended long before its session does. */
  isOpenSession(row: SessionRow): boolean {
    if (row.end >= this.closedBefore(row.source)) return true
    return (row.metric === SESSIONS ? this.sessions : this.storeOf(row))?.has(row) ?? false
  }

  /** Whether a row is of a definition in force. */
  isCurrent(row: { metric: string; version: number } | SessionRow): boolean {
    if (row.metric === SESSIONS && 'gap' in row) return this.sessions.follows(row)
    return this.metrics.get(row.metric)?.compiled.definition.version === row.version
  }

  /** Series and sessions with changes since the last call of takeChanges. */
  get pending(): number {
    let pending = 0
    for (const metric of this.metrics.values()) pending += metric.pending
    for (const tracked of this.sessions.all) pending += tracked.pending
    return pending
  }

  /** Forgets what can change no more, or has not changed for long and adds up without being known. */
  evict(touchedBefore: number): void {
    const endedBefore = this.highest - this.settings.latenessHorizonMs
    for (const metric of this.metrics.values()) metric.evict(endedBefore, touchedBefore)
    this.evictSessions()
  }

  /** Forgets sessions that are closed. */
  evictSessions(): void {
    for (const source of this.clocks.keys()) {
      const closedBefore = this.closedBefore(source)
      for (const { sessions } of this.metrics.values()) for (const store of sessions) store.evict(source, closedBefore)
      for (const tracked of this.sessions.all) tracked.evict(source, closedBefore)
    }
  }

  /** Highest watermark of any source; -Infinity before the first event. */
  get highest(): number {
    return Math.max(Number.NEGATIVE_INFINITY, ...[...this.clocks.values()].map((clock) => clock.watermark))
  }

  hasOpenWindows(watermark: number): boolean {
    const time = watermark - this.settings.latenessHorizonMs
    const isOpen = (windows: { hasOpen(time: number): boolean }): boolean => windows.hasOpen(time)
    return [...this.metrics.values()].some(isOpen) || [...this.sessions.all].some(isOpen)
  }

  /** Events of a source that are older are late; sessions that end before it are closed. */
  closedBefore(source: string): number {
    return this.clocks.get(source)?.closedBefore(this.settings.latenessHorizonMs) ?? Number.NEGATIVE_INFINITY
  }

  /** Takes effect at its place in the log. Answers how many clocks have to be said anew. */
  changeSettings(settings: TenantState): number {
    const before = this.settings.latenessHorizonMs
    this.settings = settings
    const unchanged = [...this.clocks.values()].filter(({ changed }) => !changed)
    for (const clock of this.clocks.values()) clock.keepClosed(before, settings.latenessHorizonMs)
    return unchanged.filter(({ changed }) => changed).length
  }

  private storeOf({ metric, gap }: SessionRow): SessionStore | undefined {
    return this.metrics.get(metric)?.sessions.find((store) => store.gap === gap)
  }

  private replace(name: string): void {
    const changes = this.metrics.get(name)?.take(this.name)
    this.metrics.delete(name)
    if (!changes) return
    this.replaced.rows.push(...changes.rows)
    this.replaced.sessions.push(...changes.sessions)
  }
}
