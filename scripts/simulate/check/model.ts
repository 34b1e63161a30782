import type { StoredMessage } from '#infra/nats/broker.ts'
import type { DefinitionState, Outcome } from '#schema/checkpoint.ts'
import type { EventLine } from '#schema/event.ts'
import type { ControlRecord } from '#schema/frame.ts'
import { DEFAULT_LATENESS_HORIZON_MS, DEFAULT_OUT_OF_ORDERNESS_MS } from '#schema/limits.ts'
import { type Condition, type MetricDefinition, sliceSizes } from '#schema/metric.ts'
import { HEADERS } from '#schema/subjects.ts'

/** A window's total of one series, told the long way. */
export interface Total {
  metric: string
  version: number
  size: number
  start: number
  dims: (string | null)[]
  events: number
  corrections: number
  values: unknown[]
  kind: MetricDefinition['measure']['kind']
}

export interface ModelClock {
  watermark: number
  idle: boolean
}

export interface Model {
  /** By partition and sequence of a frame: what became of its events. */
  outcomes: Map<string, Outcome[]>
  counted: { partition: number; sequence: number; index: number; line: EventLine }[]
  late: { partition: number; sequence: number; index: number; line: EventLine }[]
  duplicates: number
  /** Events of all frames. */
  events: number
  totals: Map<string, Total>
  /** By partition, tenant and source. */
  clocks: Map<string, ModelClock>
  definitions: Map<string, DefinitionState>
}

const decoder = new TextDecoder()

const read = (line: EventLine, field: string): unknown => {
  if (field === 'name') return line.e.name
  if (field === 'user') return line.e.userId ?? line.e.anonymousId ?? line.key
  return line.e.properties?.[field.slice('properties.'.length)]
}

const holds = (line: EventLine, { field, op, value }: Condition): boolean => {
  const found = read(line, field)
  if (op === 'GT') return typeof found === 'number' && found > (value as number)
  if (op === 'NE') return found !== value
  throw new Error(`the model knows no ${op}`)
}

const dimension = (value: unknown): string | null =>
  typeof value === 'string' ? value : typeof value === 'number' ? String(value) : null

export const totalKey = ({
  metric,
  version,
  size,
  start,
  dims,
}: Omit<Total, 'values' | 'kind' | 'events' | 'corrections'>) => JSON.stringify([metric, version, size, start, dims])

interface Settings {
  horizon: number
  outOfOrderness: number
  version: number
}

const DEFAULTS: Settings = {
  horizon: DEFAULT_LATENESS_HORIZON_MS,
  outOfOrderness: DEFAULT_OUT_OF_ORDERNESS_MS,
  version: 0,
}

const addTo = (
  totals: Map<string, Total>,
  { definition }: DefinitionState,
  line: EventLine,
  watermark: number,
): void => {
  if (definition.event !== '*' && definition.event !== line.e.name) return
  if (!definition.where.every((condition) => holds(line, condition))) return
  for (const size of sliceSizes(definition)) {
    const start = line.time - (line.time % size)
    const dims = definition.dimensions.map((field) => dimension(read(line, field)))
    const { name: metric, version, measure } = definition
    const series = { metric, version, size, start, dims }
    const key = totalKey(series)
    const total = totals.get(key) ?? { ...series, events: 0, corrections: 0, values: [], kind: measure.kind }
    totals.set(key, total)
    total.events++
    if (watermark >= start + size) total.corrections++
    total.values.push(measure.field === undefined ? 1 : read(line, measure.field))
  }
}

/** One partition's log, message by message. */
const createPartition = (model: Model, partition: number) => {
  const seen = new Map<string, number>()
  const definitions = new Map<string, DefinitionState>()
  const settings = new Map<string, Settings>()

  const clockOf = (tenant: string, source: string): ModelClock => {
    const key = JSON.stringify([partition, tenant, source])
    const clock = model.clocks.get(key) ?? { watermark: Number.NEGATIVE_INFINITY, idle: false }
    model.clocks.set(key, clock)
    return clock
  }
  const define = (name: string, version: number, definition: MetricDefinition | undefined, tenant: string): void => {
    const known = definitions.get(name)
    if (known ? known.definition.version >= version : !definition) return
    const state = { tenant, definition: definition ?? { ...known!.definition, version }, deleted: !definition }
    definitions.set(name, state)
    model.definitions.set(name, state)
  }
  const judge = (line: EventLine, watermark: number, horizon: number): Outcome => {
    const identity = JSON.stringify([line.tenant, line.source, line.key, line.e.id])
    const minute = seen.get(identity)
    if (minute !== undefined && minute >= Math.floor((watermark - horizon) / 60_000)) return 'D'
    if (line.time < watermark - horizon) return 'L'
    seen.set(identity, Math.floor(line.time / 60_000))
    return 'C'
  }

  return {
    control(record: ControlRecord): void {
      if (record.kind === 'defineMetric')
        define(record.metric.name, record.metric.version, record.metric, record.tenant)
      if (record.kind === 'deleteMetric') define(record.name, record.version, undefined, record.tenant)
      if (record.kind === 'tenant' && record.version > (settings.get(record.tenant) ?? DEFAULTS).version) {
        const { latenessHorizonMs: horizon, outOfOrdernessMs: outOfOrderness, version } = record
        settings.set(record.tenant, { horizon, outOfOrderness, version })
      }
      if (record.kind !== 'tick') return
      for (const { tenant, source, watermark } of record.clocks) {
        const clock = clockOf(tenant, source)
        clock.watermark = Math.max(clock.watermark, watermark)
        clock.idle = true
      }
    },
    frame({ seq: sequence, storedAt, data }: StoredMessage): void {
      const outcomes: Outcome[] = []
      const raised = new Map<ModelClock, number>()
      const lines = decoder
        .decode(data)
        .split('\n')
        .filter((text) => text !== '')
      for (const [index, text] of lines.entries()) {
        const line = JSON.parse(text) as EventLine
        const clock = clockOf(line.tenant, line.source)
        const { horizon, outOfOrderness } = settings.get(line.tenant) ?? DEFAULTS
        const candidate = Math.min(line.time, line.receivedAt, storedAt) - outOfOrderness
        raised.set(clock, Math.max(candidate, raised.get(clock) ?? Number.NEGATIVE_INFINITY))
        const outcome = judge(line, clock.watermark, horizon)
        outcomes.push(outcome)
        if (outcome === 'D') model.duplicates++
        if (outcome === 'L') model.late.push({ partition, sequence, index, line })
        if (outcome !== 'C') continue
        model.counted.push({ partition, sequence, index, line })
        for (const state of definitions.values()) if (!state.deleted) addTo(model.totals, state, line, clock.watermark)
      }
      for (const [clock, candidate] of raised) {
        clock.watermark = Math.max(clock.watermark, candidate)
        clock.idle = false
      }
      model.events += outcomes.length
      model.outcomes.set(`${partition} ${sequence}`, outcomes)
    },
  }
}

/**
 * What must come out, by the rules of docs/semantics.md taken literally: each partition's log in order, event by event,
 * everything remembered, nothing shared with the code that is judged but the formats.
 */
export const modelOf = (logs: readonly (readonly StoredMessage[])[]): Model => {
  const model: Model = {
    outcomes: new Map(),
    counted: [],
    late: [],
    duplicates: 0,
    events: 0,
    totals: new Map(),
    clocks: new Map(),
    definitions: new Map(),
  }
  for (const [number, log] of logs.entries()) {
    const partition = createPartition(model, number)
    for (const message of log) {
      if (message.header(HEADERS.kind) !== 'control') partition.frame(message)
      else partition.control(JSON.parse(decoder.decode(message.data)) as ControlRecord)
    }
  }
  return model
}

/** The value of a total, by the plain meaning of its measure; null where several numbers say it. */
export const totalValue = ({ kind, values }: Total): number | null => {
  const numbers = values.filter((value): value is number => typeof value === 'number')
  switch (kind) {
    case 'COUNT':
      return values.length
    case 'UNIQUES':
      return new Set(values).size
    case 'SUM':
      return numbers.length === 0 ? null : numbers.reduce((sum, value) => sum + value, 0)
    case 'AVG':
      return numbers.length === 0 ? null : numbers.reduce((sum, value) => sum + value, 0) / numbers.length
    case 'MIN':
      return numbers.length === 0 ? null : Math.min(...numbers)
    case 'MAX':
      return numbers.length === 0 ? null : Math.max(...numbers)
    case 'QUANTILES':
    case 'TOPK':
      return null
  }
}
