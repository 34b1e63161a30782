import { type EventLine, LIVE_SOURCE } from '#schema/event.ts'
import type { ControlRecord, LogMessage } from '#schema/frame.ts'
import type { CaseStep, GoldenCase } from './case-file.ts'
import { type CaseEvent, expandEvents, parseClock, parseEvent, parseLength, parseMetric } from './parse.ts'
import { createPlacement } from './placement.ts'

/** A message of one partition's log, and the events in it. */
export interface CaseMessage {
  partition: number
  message: LogMessage
  events: CaseEvent[]
}

const encoder = new TextEncoder()
const START = parseClock('00:00')
const ENRICHED = ['country', 'browser', 'os', 'device'] as const
const CLIENT = ['userId', 'anonymousId'] as const

const propertyOf = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

const some = (names: readonly string[], fields: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(fields).filter(([name]) => names.includes(name)))

const lineOf = ({ id, time, fields }: CaseEvent, key: string, now: number): EventLine => {
  const { key: _k, tenant = 'main', source = LIVE_SOURCE, name = 'view', received, weight = '1', ...rest } = fields
  const known: readonly string[] = [...ENRICHED, ...CLIENT]
  const properties = Object.entries(rest).filter(([field]) => !known.includes(field))
  return {
    tenant,
    source,
    receivedAt: received === undefined ? now : parseClock(received),
    time,
    key,
    weight: Number(weight),
    schema: 0,
    ...some(ENRICHED, rest),
    e: {
      id,
      name,
      ...some(CLIENT, rest),
      ...(properties.length > 0
        ? { properties: Object.fromEntries(properties.map(([field, value]) => [field, propertyOf(value)])) }
        : {}),
    },
  }
}

/** The logs of all partitions, by step of the case: element 0 holds what stands before its first step. */
export const buildLog = (golden: GoldenCase, partitions: number): CaseMessage[][] => {
  const place = createPlacement(golden.spread, partitions)
  const sequences = new Array<number>(partitions).fill(0)
  const clocks = new Set<string>()
  let settingsVersion = 0

  const message = (partition: number, kind: LogMessage['kind'], storedAt: number, text: string): LogMessage => ({
    sequence: ++sequences[partition],
    storedAt,
    kind,
    data: encoder.encode(text),
  })
  const control = (record: ControlRecord, storedAt = START, wanted = (_: number) => true): CaseMessage[] =>
    sequences.flatMap((_, partition) =>
      wanted(partition)
        ? [{ partition, message: message(partition, 'control', storedAt, JSON.stringify(record)), events: [] }]
        : [],
    )
  const define = (tenant: string, metrics: GoldenCase['metrics']): CaseMessage[] =>
    Object.entries(metrics).flatMap(([name, metric]) =>
      control({ kind: 'defineMetric', tenant, metric: parseMetric(name, metric) }),
    )
  const frame = (now: number, texts: readonly string[]): CaseMessage[] => {
    const events = texts
      .flatMap(expandEvents)
      .map(parseEvent)
      .map((event) => {
        const { tenant = 'main', key = 'k' } = event.fields
        const placed = place(tenant, key)
        const line = lineOf(event, placed.key, now)
        clocks.add(`${placed.partition} ${tenant} ${line.source}`)
        return { event, line, partition: placed.partition }
      })
    return [...Map.groupBy(events, ({ partition }) => partition)].map(([partition, own]) => ({
      partition,
      message: message(partition, 'events', now, own.map(({ line }) => JSON.stringify(line)).join('\n')),
      events: own.map(({ event }) => event),
    }))
  }
  const tick = ({ at, tick: to, tenant, source, key }: Extract<CaseStep, { tick: string }>): CaseMessage[] => {
    const record: ControlRecord = { kind: 'tick', clocks: [{ tenant, source, watermark: parseClock(to) }] }
    // As its owner does: a partition ticks the clocks that it has.
    const own = key === undefined ? undefined : place(tenant, key).partition
    return control(
      record,
      parseClock(at),
      (partition) => clocks.has(`${partition} ${tenant} ${source}`) && (own ?? partition) === partition,
    )
  }
  const messagesOf = (step: CaseStep): CaseMessage[] => {
    if ('events' in step) return frame(parseClock(step.at), step.events)
    if ('lines' in step)
      return [{ partition: 0, message: message(0, 'events', parseClock(step.at), step.lines.join('\n')), events: [] }]
    if ('tick' in step) return tick(step)
    if ('define' in step) return define(step.tenant, step.define)
    if ('delete' in step)
      return control({ kind: 'deleteMetric', tenant: step.tenant, name: step.delete, version: step.version })
    if (!('settings' in step)) return []
    const { horizon, outOfOrderness, version = settingsVersion + 1 } = step.settings
    settingsVersion = Math.max(settingsVersion, version)
    return control({
      kind: 'tenant',
      tenant: step.tenant,
      version,
      latenessHorizonMs: parseLength(horizon),
      outOfOrdernessMs: parseLength(outOfOrderness),
    })
  }
  return [define('main', golden.metrics), ...golden.steps.map(messagesOf)]
}
