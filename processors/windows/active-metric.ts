import type { FoldedRow, SessionRow } from '#schema/checkpoint.ts'
import { type CompiledMetric, compileMetric } from '#schema/compile-metric.ts'
import type { EventLine } from '#schema/event.ts'
import type { Measured } from '#schema/measures.ts'
import { type MetricDefinition, sessionGaps } from '#schema/metric.ts'
import { type SeriesName, SeriesNames } from './series-names.ts'
import { SessionStore } from './sessions.ts'
import { SliceStore } from './slices.ts'

/** What one metric has read of an event. */
export interface Prepared {
  metric: ActiveMetric
  series: SeriesName
  value: Measured
}

/** What has changed since the last checkpoint. */
export interface Changes {
  rows: FoldedRow[]
  sessions: SessionRow[]
}

/** A definition in force, with its windows. */
export class ActiveMetric {
  readonly compiled: CompiledMetric
  /** Where in the log it took effect. */
  readonly sequence: number
  readonly stores: readonly SliceStore[]
  readonly sessions: readonly SessionStore[]
  private readonly names: SeriesNames

  constructor(definition: MetricDefinition, sequence: number) {
    const compiled = compileMetric(definition)
    const { measure } = compiled
    this.compiled = compiled
    this.sequence = sequence
    // Looked up at each call: a test may put another one there.
    this.names = new SeriesNames(definition.dimensions, (line, into) => compiled.dims(line, into))
    this.stores = compiled.sizes.map((size, place) => new SliceStore(size, measure, place))
    this.sessions = sessionGaps(definition).map((gap) => new SessionStore({ gap, measure }))
  }

  /** Null when the event is none of its own. Throws what can go wrong with it. */
  prepare(line: EventLine): Prepared | null {
    const { compiled } = this
    if (!compiled.matches(line)) return null
    return { metric: this, series: this.names.of(line), value: compiled.read(line) }
  }

  /** Never throws. */
  add(line: EventLine, { series, value }: Prepared, watermark: number, storedAt: number): void {
    const { time, weight } = line
    for (const store of this.stores) store.add(time, series, value, weight, watermark, storedAt)
    if (this.sessions.length > 0) this.addToSessions(line, series, value, watermark)
  }

  take(tenant: string): Changes {
    const { name, version } = this.compiled.definition
    const head = { tenant, metric: name, version }
    return {
      rows: this.stores.flatMap((store) => store.take(head)),
      sessions: this.sessions.flatMap((store) => store.take(head)),
    }
  }

  get pending(): number {
    let pending = 0
    for (const store of this.stores) pending += store.pending
    for (const store of this.sessions) pending += store.pending
    return pending
  }

  /** See SliceStore.evict. */
  evict(endedBefore: number, touchedBefore: number): void {
    for (const store of this.stores) store.evict(endedBefore, touchedBefore)
    this.names.forget()
  }

  private addToSessions(
    { source, key: session, time, weight }: EventLine,
    { dims }: SeriesName,
    value: Measured,
    watermark: number,
  ): void {
    for (const store of this.sessions) store.add({ source, session, time, dims, value, weight, watermark })
  }

  /** Whether some window may end after `time`. */
  hasOpen(time: number): boolean {
    return this.stores.some((store) => store.hasOpen(time)) || this.sessions.some((store) => store.hasOpen(time))
  }
}
