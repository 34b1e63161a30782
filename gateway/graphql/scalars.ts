import { GraphQLError, valueFromASTUntyped } from 'graphql'
import { MillraceError } from '#schema/errors.ts'
import { formatDuration, formatTime, parseDuration, parseTime } from '#schema/time.ts'
import type { Builder } from './builder.ts'

export interface ScalarExtensions {
  /** What it makes of a number is text without anything that JSON escapes. */
  writesNumbersPlainly?: boolean
}
const PLAINLY: ScalarExtensions = { writesNumbersPlainly: true }

const refuse = (message: string): never => {
  throw new GraphQLError(message, { extensions: { code: 'BAD_INPUT' } })
}

const text = (name: string, value: unknown): string =>
  typeof value === 'string' ? value : refuse(`${name} is text; got ${typeof value}`)

const duration = (value: unknown): number => {
  const ms = parseDuration(text('Duration', value))
  return ms !== null && ms >= 1_000
    ? ms
    : refuse(`Duration is ISO 8601 from one second on, such as PT1M or P1D; got ${JSON.stringify(value)}`)
}

/** Of a value that stands in the document; the text of variables was checked as text. */
const finite = (value: unknown): unknown => {
  if (typeof value === 'number' && !Number.isFinite(value)) refuse('JSON holds finite numbers only')
  if (typeof value === 'object' && value !== null) Object.values(value).forEach(finite)
  return value
}

/** Milliseconds since 1970 of a DateTime argument. Throws BAD_INPUT. */
export const readTime = (name: string, value: string): number => {
  const ms = parseTime(value)
  if (ms !== null) return ms
  throw new MillraceError(
    'BAD_INPUT',
    `${name} must be a time as in RFC 3339, such as 2026-01-31T12:00:00Z; got ${JSON.stringify(value.slice(0, 64))}`,
  )
}

export const addScalars = (builder: Builder): void => {
  builder.scalarType('DateTime', {
    description: 'RFC 3339 in UTC with milliseconds.',
    serialize: (ms) => formatTime(ms),
    extensions: { ...PLAINLY },
    parseValue: (value) => text('DateTime', value),
  })
  builder.scalarType('Duration', {
    description: 'ISO 8601 from PT1S; equal by length: PT60S = PT1M.',
    serialize: (ms) => formatDuration(ms),
    parseValue: duration,
  })
  builder.scalarType('JSON', {
    description: 'Any JSON value.',
    serialize: (value) => value,
    parseValue: (value) => value,
    parseLiteral: (node, variables) => finite(valueFromASTUntyped(node, variables)),
  })
  builder.scalarType('Cursor', {
    description: 'Opaque: from a former answer.',
    serialize: (value) => value,
    parseValue: (value) => text('Cursor', value),
  })
  builder.scalarType('BigInt', {
    description: 'A whole number, as a string.',
    serialize: (value) => String(value),
    extensions: { ...PLAINLY },
    parseValue: () => refuse('BigInt is never an argument'),
  })
}
