import { type EventLine, fieldReader } from '#schema/event.ts'
import type { MetricDefinition } from '#schema/metric.ts'
import type { ActiveMetric, Prepared } from './active-metric.ts'

/** Metrics that ask for one value of a field, by that value. */
interface ByValue {
  read(line: EventLine): unknown
  metrics: Map<unknown, ActiveMetric[]>
}

/** Metrics of which none can be left out before its conditions are asked, and those of which most can. */
interface Candidates {
  always: ActiveMetric[]
  byField: ByValue[]
}

const NONE: readonly ActiveMetric[] = []

const addTo = <K>(groups: Map<K, ActiveMetric[]>, key: K, metric: ActiveMetric): void => {
  const group = groups.get(key)
  if (group) group.push(metric)
  else groups.set(key, [metric])
}

const candidatesOf = (metrics: Iterable<ActiveMetric>): Candidates => {
  const always: ActiveMetric[] = []
  const byField = new Map<string, ByValue>()
  for (const metric of metrics) {
    const equal = metric.compiled.definition.where.find(({ op }) => op === 'EQ')
    if (!equal) {
      always.push(metric)
      continue
    }
    const { field, value } = equal
    const known = byField.get(field) ?? { read: fieldReader(field), metrics: new Map() }
    byField.set(field, known)
    addTo(known.metrics, value, metric)
  }
  return { always, byField: [...byField.values()] }
}

const prepareAll = (metrics: readonly ActiveMetric[], line: EventLine, into: Prepared[]): void => {
  for (const metric of metrics) {
    const one = metric.prepare(line)
    if (one) into.push(one)
  }
}

/**
 * Finds the metrics of an event by its name and by the values that they ask for, so that a metric that does not match
 * costs it nothing: however many metrics ask for one value of the same field, the event looks its own value up once.
 */
export class MetricIndex {
  private readonly named = new Map<string, Candidates>()
  /** Of events whose name no definition has. */
  private readonly others: Candidates

  constructor(metrics: readonly ActiveMetric[]) {
    const takes = ({ event }: MetricDefinition, name: string): boolean => event === '*' || event === name
    const of = (name: string) => candidatesOf(metrics.filter(({ compiled }) => takes(compiled.definition, name)))
    for (const { compiled } of metrics) {
      const { event } = compiled.definition
      if (!this.named.has(event)) this.named.set(event, of(event))
    }
    this.others = of('*')
  }

  /** What the metrics read of an event. Throws what can go wrong with one of them. */
  prepare(line: EventLine): Prepared[] {
    const { always, byField } = this.named.get(line.e.name) ?? this.others
    const prepared: Prepared[] = []
    prepareAll(always, line, prepared)
    for (const { read, metrics } of byField) prepareAll(metrics.get(read(line)) ?? NONE, line, prepared)
    return prepared
  }
}
