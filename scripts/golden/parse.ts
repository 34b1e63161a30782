import type { Outcome } from '#schema/checkpoint.ts'
import type { Condition, MeasureKind, MetricDefinition, WindowSpec } from '#schema/metric.ts'
import type { CaseMetric } from './case-file.ts'

/** The day of all cases. */
const DAY = Date.UTC(2026, 0, 1)
const DAY_MS = 86_400_000

const bad = (what: string, text: string): never => {
  throw new Error(`${JSON.stringify(text)} is not ${what}`)
}

const CLOCK = /^(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{3}))?)?(?:([+-]\d+)d)?$/

/** `10:01`, `10:01:05`, `10:01:05.250`, `00:10+1d` (the day after) in milliseconds since 1970. */
export const parseClock = (text: string): number => {
  const match = CLOCK.exec(text) ?? bad('a time such as 10:01:05', text)
  const [hours, minutes, seconds = 0, ms = 0, days = 0] = match.slice(1).map((part) => Number(part ?? 0))
  return DAY + days * DAY_MS + ((hours * 60 + minutes) * 60 + seconds) * 1_000 + ms
}

/** The shortest form that parseClock reads. */
export const formatClock = (time: number): string => {
  const days = Math.floor((time - DAY) / DAY_MS)
  const clock = new Date(time)
    .toISOString()
    .slice(11, 23)
    .replace(/\.000$/, '')
    .replace(/(?<=:\d\d):00$/, '')
  return days === 0 ? clock : `${clock}${days > 0 ? '+' : ''}${days}d`
}

const UNITS: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000, d: DAY_MS }

/** `90s`, `1m`, `1h`, `1d` in milliseconds. */
export const parseLength = (text: string): number => {
  const [, count, unit] = /^(\d+)([smhd])$/.exec(text) ?? bad('a length such as 90s, 1m, 1h, 1d', text)
  return Number(count) * UNITS[unit]
}

/** `1m`, `1h every 1m`, `session 30m`. */
export const parseWindow = (text: string): WindowSpec => {
  const words = text.split(' ')
  if (words.length === 1) return { kind: 'TUMBLING', sizeMs: parseLength(text) }
  if (words.length === 2 && words[0] === 'session') return { kind: 'SESSION', gapMs: parseLength(words[1]) }
  if (words.length === 3 && words[1] === 'every')
    return { kind: 'SLIDING', sizeMs: parseLength(words[0]), slideMs: parseLength(words[2]) }
  return bad('a window such as 1m, 1h every 1m, session 30m', text)
}

export const parseConditions = (where: CaseMetric['where']): Condition[] =>
  where.map(([field, op, value]) => ({ field, op: op as Condition['op'], value }))

/** `count`, `sum of properties.amount`, `topk 3 of name`. What it may be is checked by whoever takes the definition. */
const parseMeasure = (text: string): MetricDefinition['measure'] => {
  const [, kind, k, field] = /^([a-z]+)(?: (\d+))?(?: of (\S+))?$/.exec(text) ?? bad('a measure', text)
  return { kind: kind.toUpperCase() as MeasureKind, ...(field ? { field } : {}), ...(k ? { k: Number(k) } : {}) }
}

export const parseMetric = (name: string, metric: CaseMetric): MetricDefinition => ({
  name,
  event: metric.event,
  where: parseConditions(metric.where),
  measure: parseMeasure(metric.measure),
  dimensions: metric.by,
  windows: metric.windows.map(parseWindow),
  ...(metric.sessionGap ? { sessionGapMs: parseLength(metric.sessionGap) } : {}),
  version: metric.version,
})

/** An event of a case, and what must become of it. */
export interface CaseEvent {
  id: string
  time: number
  /** `key`, `source`, `tenant`, `name`, …; what is none of the known ones is a property. */
  fields: Record<string, string>
  becomes: keyof typeof OUTCOMES
}

export const OUTCOMES = { COUNTED: 'C', DUPLICATE: 'D', LATE: 'L', INVALID: 'I' } as const satisfies Record<
  string,
  Outcome
>

const isOutcome = (text: string): text is keyof typeof OUTCOMES => Object.hasOwn(OUTCOMES, text)

const SERIES = /^(\w+)\{(\d+)\.\.(\d+)\} (.*)$/

/** `e{1..3} 10:00 amount=#` is `e1 10:00 amount=1`, and so on. */
export const expandEvents = (text: string): string[] => {
  const [, id, first, last, rest] = SERIES.exec(text) ?? []
  if (id === undefined) return [text]
  const count = Number(last) - Number(first) + 1
  return Array.from(
    { length: count },
    (_, i) => `${id}${Number(first) + i} ${rest.replaceAll('#', `${Number(first) + i}`)}`,
  )
}

/** `a 10:01:05 key=k2 amount=5 -> LATE`; without an arrow it is counted. */
export const parseEvent = (text: string): CaseEvent => {
  const [what, becomes = 'COUNTED', ...rest] = text.split(' -> ')
  const [id, time, ...pairs] = what.split(' ')
  if (!isOutcome(becomes) || rest.length > 0) return bad(`an event that becomes ${Object.keys(OUTCOMES)}`, text)
  const fields = pairs.map((pair) => {
    const [, name, value] = /^([^=]+)=(.+)$/.exec(pair) ?? bad('an event such as "a 10:01:05 key=k2"', text)
    return [name, value] as const
  })
  return { id, time: parseClock(time), fields: Object.fromEntries(fields), becomes }
}
