import type { VerdictCode } from '#schema/errors.ts'
import type { JsonPath, Problem } from './strict-json.ts'

/** Why one event was not accepted. */
export interface EventProblem {
  code: VerdictCode
  /** What was expected, what came, what to do. */
  message: string
  /** JSON Pointer (RFC 6901) from the event. */
  path?: string
  /** Set when sending the event again can help. */
  retryAfterMs?: number
}

export type VerdictStatus = 'ACCEPTED' | 'SHED' | 'REJECTED'

/** EventVerdict of the public contract. */
export interface EventVerdict {
  /** Place in the request. */
  index: number
  /** Empty when the event had none that could be read. */
  id: string
  status: VerdictStatus
  code: VerdictCode | null
  message: string | null
  path: string | null
  retryable: boolean
  retryAfterMs: number | null
}

/** IngestReceipt of the public contract. */
export interface Receipt {
  accepted: number
  shed: number
  rejected: number
  /** Of the events that were not accepted, in the order sent. */
  refused: readonly EventVerdict[]
  /** Of all events in the order sent: made when it is asked for, which is seldom. */
  readonly verdicts: readonly EventVerdict[]
}

const POINTER_CHARS = 256

/** JSON Pointer of a path; cut when keys make it longer than a message should be. */
export const pointer = (path: JsonPath): string => {
  const text = path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
  return shorten(text, POINTER_CHARS)
}

/** At most `chars` characters, always well-formed Unicode. */
export const shorten = (text: string, chars: number): string =>
  (text.length > chars ? `${text.slice(0, chars)}…` : text).toWellFormed()

/** What came, for a message: short, and never an object's whole content. */
export const describe = (value: unknown): string => {
  if (typeof value === 'string') return `"${shorten(value, 40)}"`
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object' && value !== null) return 'an object'
  return String(value)
}

const ADVICE: Record<Problem['kind'], string> = {
  SYNTAX: 'Send one JSON object per event.',
  DUPLICATE_KEY: 'Send each key once.',
  BACKSLASH_KEY: 'Name it without one.',
  LONE_SURROGATE: 'Send whole Unicode characters.',
  NUMBER_TOO_LARGE: 'Send such a number as a string.',
  TOO_DEEP: 'Flatten the event.',
}

/** A problem of the text as one of the event that starts `unit` path entries below the root. */
export const eventProblem = (problem: Problem, unit: number): EventProblem => ({
  code: problem.kind === 'TOO_DEEP' ? 'TOO_DEEP' : 'MALFORMED',
  message: `${problem.message}. ${ADVICE[problem.kind]}`,
  path: pointer(problem.path.slice(unit)),
})
