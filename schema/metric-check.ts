import { MillraceError } from './errors.ts'
import { isField, PLAIN_FIELDS } from './event.ts'
import type { Condition, MeasureKind, MeasureSpec, MetricDefinition, WindowSpec } from './metric.ts'
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

const MEASURES = ['COUNT', 'SUM', 'MIN', 'MAX', 'AVG', 'UNIQUES'] as const satisfies MeasureKind[]

const checkMeasure = ({ kind, field }: MeasureSpec): void => {
  if (!MEASURES.includes(kind)) refuse(`measure: it is one of ${MEASURES.join(', ')}; got ${shown(kind)}`)
  if (kind !== 'COUNT') requireField(`measure ${kind.toLowerCase()}`, field ?? '')
}

const checkWindow = ({ kind, sizeMs }: WindowSpec): void => {
  if (kind !== 'TUMBLING') refuse(`windows: only tumbling ones are possible; got ${shown(kind)}`)
  const { minWindowMs, maxWindowMs } = METRIC_LIMITS
  if (Number.isInteger(sizeMs / 1_000) && sizeMs >= minWindowMs && sizeMs <= maxWindowMs) return
  refuse(`windows: a window is 1 second to 1 day long, in whole seconds (PT1S to P1D); got ${formatDuration(sizeMs)}`)
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
export const checkMetric = ({ name, event, where, measure, dimensions, windows }: MetricInput): void => {
  if (!isName(name)) refuse(`name: write a-z, 0-9 and _, starting with a letter, at most 64; got ${shown(name)}`)
  if (event !== '*' && !isName(event)) refuse(`event: write the name of an event, or * for all; got ${shown(event)}`)
  checkCount('where', where, METRIC_LIMITS.conditions)
  where.forEach(checkCondition)
  checkMeasure(measure)
  checkDimensions(dimensions)
  if (windows.length === 0) refuse('windows: give at least one, such as {tumbling: "PT1M"}')
  checkCount('windows', windows, METRIC_LIMITS.windows)
  windows.forEach(checkWindow)
  if (new Set(windows.map(({ sizeMs }) => sizeMs)).size < windows.length) refuse('windows: each can be given once')
}
