import { MillraceError } from './errors.ts'
import { isField, PLAIN_FIELDS, SESSION_END, SESSION_FIELDS } from './event.ts'
import { DEFAULT_SESSION_GAP_MS } from './limits.ts'
import {
  type Condition,
  MEASURE_KINDS,
  type MeasureKind,
  type MeasureSpec,
  type MetricDefinition,
  sessionGaps,
  sliceSizes,
  type WindowSpec,
} from './metric.ts'
import { isName } from './subjects.ts'
import { formatDuration } from './time.ts'

/** A metric as it is asked for; the version is given when it is stored. */
export type MetricInput = Omit<MetricDefinition, 'version'>

export const METRIC_LIMITS = {
  dimensions: 4,
  conditions: 20,
  /** Characters of one condition's value as JSON. */
  valueChars: 1_000,
  windows: 8,
  /** Of topK. */
  topValues: 100,
  /** Of one window. */
  slices: 1_440,
  minWindowMs: 1_000,
  maxWindowMs: 86_400_000,
} as const

const refuse = (message: string): never => {
  throw new MillraceError('BAD_INPUT', message)
}
const shown = (value: unknown): string => JSON.stringify(value)?.slice(0, 100) ?? String(value)

const requireField = (where: string, field: string): void => {
  if (isField(field)) return
  refuse(
    `${where}: ${shown(field)} is not a field of events; use one of ${PLAIN_FIELDS.join(', ')}, ` +
      'properties.<path> or context.<path>',
  )
}

const isScalar = (value: unknown): boolean => value === null || ['string', 'number', 'boolean'].includes(typeof value)
const isOrdered = (value: unknown): boolean => typeof value === 'string' || typeof value === 'number'

/** What the value of a condition must be, by op. */
const VALUES: Record<Condition['op'], { fits: (value: unknown) => boolean; expected: string }> = {
  EQ: { fits: isScalar, expected: 'text, a number, true, false or null' },
  NE: { fits: isScalar, expected: 'text, a number, true, false or null' },
  LT: { fits: isOrdered, expected: 'a number or text' },
  LE: { fits: isOrdered, expected: 'a number or text' },
  GT: { fits: isOrdered, expected: 'a number or text' },
  GE: { fits: isOrdered, expected: 'a number or text' },
  IN: { fits: (value) => Array.isArray(value) && value.every(isScalar), expected: 'a list, such as ["a", "b"]' },
  CONTAINS: { fits: (value) => typeof value === 'string', expected: 'text' },
  EXISTS: { fits: (value) => typeof value === 'boolean', expected: 'true or false' },
}

const checkCondition = ({ field, op, value }: Condition): void => {
  requireField('where', field)
  if (!Object.hasOwn(VALUES, op)) refuse(`where: the op is one of ${Object.keys(VALUES).join(', ')}; got ${shown(op)}`)
  const { fits, expected } = VALUES[op]
  if (!fits(value)) refuse(`where: the value of ${op} must be ${expected}; got ${shown(value)}`)
  // JSON says half of a surrogate pair by an escape, which some readers refuse.
  if (/\\ud[89a-f]/i.test(JSON.stringify(value))) refuse(`where: the value for ${field} has half of a surrogate pair`)
  if (JSON.stringify(value).length > METRIC_LIMITS.valueChars)
    refuse(`where: the value for ${field} is longer than ${METRIC_LIMITS.valueChars} characters; use a shorter one`)
}

const checkMeasure = ({ kind, field, k }: MeasureSpec): void => {
  if (!MEASURE_KINDS.includes(kind)) refuse(`measure: it is one of ${MEASURE_KINDS.join(', ')}; got ${shown(kind)}`)
  if (kind !== 'COUNT') requireField(`measure ${kind.toLowerCase()}`, field ?? '')
  const { topValues } = METRIC_LIMITS
  if (k === undefined) return
  if (kind !== 'TOPK') refuse(`measure ${kind.toLowerCase()}: only topK has a k; leave it out`)
  if (!(Number.isInteger(k) && k >= 1 && k <= topValues))
    refuse(`measure topK: k is a whole number from 1 to ${topValues}; got ${shown(k)}`)
}

const checkLength = (what: string, ms: number): void => {
  const { minWindowMs, maxWindowMs } = METRIC_LIMITS
  if (Number.isInteger(ms / 1_000) && ms >= minWindowMs && ms <= maxWindowMs) return
  refuse(`windows: ${what} is 1 second to 1 day, in whole seconds (PT1S to P1D); got ${formatDuration(ms)}`)
}

const checkSliding = (sizeMs: number, slideMs: number): void => {
  checkLength('the size of a window', sizeMs)
  checkLength('the slide of a window', slideMs)
  if (slideMs > sizeMs) refuse('windows: slide is longer than size, so events between two windows would be left out')
  const [slice] = sliceSizes({ windows: [{ kind: 'SLIDING', sizeMs, slideMs }] })
  if (sizeMs / slice <= METRIC_LIMITS.slices) return
  refuse(
    `windows: ${formatDuration(sizeMs)} sliding by ${formatDuration(slideMs)} would be made of ${sizeMs / slice} ` +
      `slices; at most ${METRIC_LIMITS.slices} are possible. Use a longer slide that divides the size`,
  )
}

const checkWindow = (window: WindowSpec): void => {
  if (window.kind === 'TUMBLING') checkLength('the size of a window', window.sizeMs)
  else if (window.kind === 'SLIDING') checkSliding(window.sizeMs, window.slideMs)
  else if (window.kind === 'SESSION') checkLength('the gap of a session', window.gapMs)
  else refuse(`windows: a window is TUMBLING, SLIDING or SESSION; got ${shown((window as WindowSpec).kind)}`)
}

/** Measures that can take back what they had counted: a session may go on after it had ended. */
const OF_SESSIONS: readonly MeasureKind[] = ['COUNT', 'SUM', 'AVG', 'QUANTILES']

const checkSessionMetric = ({ where, measure, dimensions, windows, sessionGapMs }: MetricInput): void => {
  checkLength('the gap of a session', sessionGapMs ?? DEFAULT_SESSION_GAP_MS)
  if (sessionGaps({ windows }).length > 0)
    refuse(
      `windows: a metric on ${SESSION_END} counts sessions by the time of their end; give tumbling or sliding ones`,
    )
  if (!OF_SESSIONS.includes(measure.kind))
    refuse(`measure: of ${SESSION_END} one of ${OF_SESSIONS.join(', ')} is possible; got ${shown(measure.kind)}`)
  const fields = [...where.map(({ field }) => field), ...dimensions, ...(measure.field ? [measure.field] : [])]
  for (const field of fields) {
    if (!(SESSION_FIELDS as readonly string[]).includes(field))
      refuse(`${shown(field)} is not known of a session; use one of ${SESSION_FIELDS.join(', ')}`)
  }
}

const checkCount = (what: string, list: readonly unknown[], most: number): void => {
  if (list.length > most) refuse(`${what}: at most ${most} are possible; got ${list.length}`)
}

const checkDimensions = (dimensions: readonly string[]): void => {
  checkCount('dimensions', dimensions, METRIC_LIMITS.dimensions)
  for (const field of dimensions) requireField('dimensions', field)
  if (new Set(dimensions).size < dimensions.length) refuse('dimensions: each can be given once')
}

/** Throws BAD_INPUT with what to write instead. */
export const checkMetric = (metric: MetricInput): void => {
  const { name, event, where, measure, dimensions, windows, sessionGapMs } = metric
  if (!isName(name)) refuse(`name: write a-z, 0-9 and _, starting with a letter, at most 64; got ${shown(name)}`)
  if (event !== '*' && event !== SESSION_END && !isName(event))
    refuse(`event: write the name of an event, * for all, or ${SESSION_END} for sessions; got ${shown(event)}`)
  checkCount('where', where, METRIC_LIMITS.conditions)
  where.forEach(checkCondition)
  checkMeasure(measure)
  checkDimensions(dimensions)
  if (windows.length === 0) refuse('windows: give at least one, such as {tumbling: "PT1M"}')
  checkCount('windows', windows, METRIC_LIMITS.windows)
  windows.forEach(checkWindow)
  if (new Set(windows.map((window) => JSON.stringify(window))).size < windows.length)
    refuse('windows: each can be given once')
  if (event === SESSION_END) checkSessionMetric(metric)
  else if (sessionGapMs !== undefined) refuse(`sessionGap: only metrics on the event ${SESSION_END} have one`)
}
