import type { DefinitionState, SessionRow } from '#schema/checkpoint.ts'
import { type EventLine, SESSION_END } from '#schema/event.ts'
import { DEFAULT_SESSION_GAP_MS } from '#schema/limits.ts'
import type { MetricDefinition } from '#schema/metric.ts'
import type { ActiveMetric } from './active-metric.ts'
import { type CountSession, TrackedSessions } from './tracked-sessions.ts'

const gapOf = ({ sessionGapMs }: MetricDefinition): number => sessionGapMs ?? DEFAULT_SESSION_GAP_MS
const isOfSessions = ({ event }: MetricDefinition): boolean => event === SESSION_END

/** The sessions that the metrics of one tenant on SESSION_END need: followed once for each gap, while somebody counts. */
export class SessionMetrics {
  private readonly tenant: string
  private readonly metrics: ReadonlyMap<string, ActiveMetric>
  private readonly byGap = new Map<number, TrackedSessions>()
  private replaced: SessionRow[] = []

  /** `metrics`: those in force, by name. */
  constructor(tenant: string, metrics: ReadonlyMap<string, ActiveMetric>) {
    this.tenant = tenant
    this.metrics = metrics
  }

  /** The metrics in force have changed by this definition; answers it with what must be remembered of it. */
  define(state: DefinitionState): DefinitionState {
    const wanted = new Set(this.counting().map(({ compiled }) => gapOf(compiled.definition)))
    for (const gap of this.byGap.keys()) if (!wanted.has(gap)) this.drop(gap)
    if (state.deleted || !isOfSessions(state.definition)) return state
    const gap = gapOf(state.definition)
    const known = this.byGap.get(gap)
    const since = state.sessionsSince ?? known?.since ?? state.sequence ?? 0
    if (known?.since !== since) {
      this.drop(gap)
      this.byGap.set(gap, new TrackedSessions(this.tenant, gap, since, this.counter(gap)))
    }
    return { ...state, sessionsSince: since }
  }

  get all(): Iterable<TrackedSessions> {
    return this.byGap.values()
  }

  /** Whether a row is of sessions that are followed now. */
  follows({ gap, version }: Pick<SessionRow, 'gap' | 'version'>): boolean {
    return this.byGap.get(gap)?.since === version
  }

  restore(row: SessionRow): void {
    if (this.follows(row)) this.byGap.get(row.gap)?.restore(row)
  }

  has(row: SessionRow): boolean {
    return this.follows(row) && (this.byGap.get(row.gap)?.has(row) ?? false)
  }

  take(): SessionRow[] {
    const rows = this.replaced
    this.replaced = []
    for (const tracked of this.byGap.values()) rows.push(...tracked.take())
    return rows
  }

  private counting(): ActiveMetric[] {
    return [...this.metrics.values()].filter(({ compiled }) => isOfSessions(compiled.definition))
  }

  private drop(gap: number): void {
    this.replaced.push(...(this.byGap.get(gap)?.take() ?? []))
    this.byGap.delete(gap)
  }

  private counter(gap: number): CountSession {
    return (line, sign, at) => {
      for (const metric of this.counting()) {
        // What ended before a metric took effect it has not counted.
        if (gapOf(metric.compiled.definition) !== gap || at.ended < metric.sequence) continue
        countEnd(metric, line, sign, at)
      }
    }
  }
}

const countEnd = (metric: ActiveMetric, line: EventLine, sign: 1 | -1, at: Parameters<CountSession>[2]): void => {
  const prepared = metric.prepare(line)
  if (!prepared) return
  const { series, value } = prepared
  for (const store of metric.stores) {
    store.add(line.time, series, value, sign * line.weight, at.watermark, at.storedAt, sign)
  }
}
