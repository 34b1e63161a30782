import type { StoredMessage } from '#infra/nats/broker.ts'
import type { DefinitionState, Outcome } from '#schema/checkpoint.ts'
import type { EventLine } from '#schema/event.ts'
import type { ControlRecord } from '#schema/frame.ts'
import { DEFAULT_LATENESS_HORIZON_MS, DEFAULT_OUT_OF_ORDERNESS_MS } from '#schema/limits.ts'
import type { MeasureSpec, MetricDefinition } from '#schema/metric.ts'
import { HEADERS } from '#schema/subjects.ts'
import { TENANT } from '../cluster/settings.ts'
import { addTo, counts } from './lines.ts'
import { createSessionWindows } from './session-windows.ts'

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
  measure: MeasureSpec
}

/** One series of one session. `start`, `end`: of the whole session. */
export interface SessionTotal extends Omit<Total, 'size'> {
  gap: number
  source: string
  session: string
  end: number
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
  /** Windows of sessions, and the sessions that metrics on their end count. */
  sessions: SessionTotal[]
  /** By partition, tenant and source. */
  clocks: Map<string, ModelClock>
  definitions: Map<string, DefinitionState>
}

const decoder = new TextDecoder()

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

/** One partition's log, message by message. */
const createPartition = (model: Model, partition: number) => {
  const seen = new Map<string, number>()
  const definitions = new Map<string, DefinitionState>()
  const settings = new Map<string, Settings>()
  const sessions = createSessionWindows(model)
  // All is of one tenant.
  const watermarkOf = (source: string): number => clockOf(TENANT, source).watermark

  const clockOf = (tenant: string, source: string): ModelClock => {
    const key = JSON.stringify([partition, tenant, source])
    const clock = model.clocks.get(key) ?? { watermark: Number.NEGATIVE_INFINITY, idle: false }
    model.clocks.set(key, clock)
    return clock
  }
  const define = (
    name: string,
    version: number,
    definition: MetricDefinition | undefined,
    tenant: string,
    sequence: number,
  ): void => {
    const known = definitions.get(name)
    if (known ? known.definition.version >= version : !definition) return
    const state = {
      tenant,
      definition: definition ?? { ...known!.definition, version },
      deleted: !definition,
      sequence,
    }
    definitions.set(name, state)
    model.definitions.set(name, state)
    sessions.define(state, watermarkOf)
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
    control(record: ControlRecord, sequence: number): void {
      if (record.kind === 'defineMetric')
        define(record.metric.name, record.metric.version, record.metric, record.tenant, sequence)
      if (record.kind === 'deleteMetric') define(record.name, record.version, undefined, record.tenant, sequence)
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
        sessions.add(line, clock.watermark, (definition) => counts(definition, line))
      }
      for (const [clock, candidate] of raised) {
        clock.watermark = Math.max(clock.watermark, candidate)
        clock.idle = false
      }
      model.events += outcomes.length
      model.outcomes.set(`${partition} ${sequence}`, outcomes)
    },
    /** What a message has moved the clocks past. */
    endMessage: (sequence: number): void => sessions.endMessage(sequence, watermarkOf),
    end: (): void => sessions.end(watermarkOf),
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
    sessions: [],
    clocks: new Map(),
    definitions: new Map(),
  }
  for (const [number, log] of logs.entries()) {
    const partition = createPartition(model, number)
    for (const message of log) {
      if (message.header(HEADERS.kind) !== 'control') partition.frame(message)
      else partition.control(JSON.parse(decoder.decode(message.data)) as ControlRecord, message.seq)
      partition.endMessage(message.seq)
    }
    partition.end()
  }
  return model
}
