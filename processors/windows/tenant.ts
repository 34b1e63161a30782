import type { AggregateRow, DefinitionState, TenantState } from '#schema/checkpoint.ts'
import { type CompiledMetric, compileMetric } from '#schema/compile-metric.ts'
import type { EventLine } from '#schema/event.ts'
import { DEFAULT_LATENESS_HORIZON_MS, DEFAULT_OUT_OF_ORDERNESS_MS } from '#schema/limits.ts'
import { IdentityTable } from './identities.ts'
import { SliceStore } from './slices.ts'
import { SourceClock } from './watermark.ts'

interface ActiveMetric {
  compiled: CompiledMetric
  stores: SliceStore[]
}

/** What one metric has read of an event. */
export interface Prepared {
  stores: SliceStore[]
  dims: (string | null)[]
  value: number | undefined
}

/** Everything one partition knows of one tenant: no tenant's clock, identities or series touch another's. */
export class TenantFold {
  readonly name: string
  settings: TenantState
  readonly clocks = new Map<string, SourceClock>()
  readonly identities = new Map<string, IdentityTable>()
  readonly definitions = new Map<string, DefinitionState>()
  readonly metrics = new Map<string, ActiveMetric>()
  private byEvent = new Map<string, ActiveMetric[]>()
  /** Deltas of definitions that were replaced since the last checkpoint. */
  private replaced: AggregateRow[] = []

  constructor(name: string) {
    this.name = name
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

  /** Takes effect at its place in the log. False when this or a newer version is known. */
  define(state: DefinitionState): boolean {
    const { definition, deleted } = state
    const known = this.definitions.get(definition.name)
    if (known && known.definition.version >= definition.version) return false
    this.definitions.set(definition.name, state)
    this.replaced.push(...this.take(definition.name))
    this.metrics.delete(definition.name)
    if (!deleted) {
      const compiled = compileMetric(definition)
      this.metrics.set(definition.name, {
        compiled,
        stores: compiled.sizes.map((size) => new SliceStore(size, compiled.measure)),
      })
    }
    this.byEvent.clear()
    return true
  }

  /** Deltas of all metrics since the last call, those of definitions that were replaced meanwhile included. */
  takeRows(): AggregateRow[] {
    const rows = this.replaced
    this.replaced = []
    for (const name of this.metrics.keys()) rows.push(...this.take(name))
    return rows
  }

  /**
   * What the metrics read of an event. Everything that can go wrong goes wrong here: what follows only adds numbers up,
   * so that an event is in all of its windows or in none.
   */
  prepare(line: EventLine): Prepared[] {
    const prepared: Prepared[] = []
    for (const { compiled, stores } of this.metricsOf(line.e.name)) {
      if (compiled.matches(line)) prepared.push({ stores, dims: compiled.dims(line), value: compiled.read(line) })
    }
    return prepared
  }

  /** Never throws. */
  fold({ time, weight }: EventLine, prepared: readonly Prepared[], watermark: number, storedAt: number): void {
    for (const { stores, dims, value } of prepared) {
      for (const store of stores) store.add(time, dims, value, weight, watermark, storedAt)
    }
  }

  /** Highest watermark of any source; -Infinity before the first event. */
  get highest(): number {
    return Math.max(Number.NEGATIVE_INFINITY, ...[...this.clocks.values()].map((clock) => clock.watermark))
  }

  hasOpenWindows(watermark: number): boolean {
    const time = watermark - this.settings.latenessHorizonMs
    return [...this.metrics.values()].some(({ stores }) => stores.some((store) => store.hasOpen(time)))
  }

  private take(name: string): AggregateRow[] {
    const metric = this.metrics.get(name)
    if (!metric) return []
    const head = { tenant: this.name, metric: name, version: metric.compiled.definition.version }
    return metric.stores.flatMap((store) => store.take(head))
  }

  private metricsOf(event: string): ActiveMetric[] {
    let matching = this.byEvent.get(event)
    if (!matching) {
      const wanted = ({ compiled }: ActiveMetric) => ['*', event].includes(compiled.definition.event)
      matching = [...this.metrics.values()].filter(wanted)
      // Names come from clients: the cache must not grow with what they invent.
      if (this.byEvent.size < 1_000) this.byEvent.set(event, matching)
    }
    return matching
  }
}
