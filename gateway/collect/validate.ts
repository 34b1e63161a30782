import { v7 as uuidv7 } from 'uuid'
import { CLIENT_KEYS, type ClientEvent } from '#schema/event.ts'
import { EARLIEST_TIME_MS, FUTURE_LIMIT_MS, LIMITS } from '#schema/limits.ts'
import { NAME_PATTERN } from '#schema/subjects.ts'
import { formatTime, parseTime, uuidV7Time } from '#schema/time.ts'
import { inspect } from './inspect.ts'
import type { EventCheck } from './schema-check.ts'
import { describe, type EventProblem, pointer, shorten } from './verdict.ts'

/** An event that may enter the log. */
export interface ValidEvent {
  event: ClientEvent
  /** Event time, milliseconds since 1970. */
  time: number
  /** Version of the schema that it meets; 0 when its name has none. */
  schema: number
}

/** What came in place of an event, as one or the other. */
export type Validated = ValidEvent | EventProblem

export const isProblem = (validated: Validated): validated is EventProblem => 'code' in validated

/** The id of whatever was sent as an event, when it has one that could be an event's. */
export const readId = (value: unknown): string => {
  const id = isObject(value) && Object.hasOwn(value, 'id') ? value.id : undefined
  return typeof id === 'string' && id.length <= LIMITS.idChars && id.isWellFormed() ? id : ''
}

/** Turns what a client sent into an event, or tells why it is none. `receivedAt` in milliseconds since 1970. */
export const validate = (value: unknown, receivedAt: number, checkSchema: EventCheck): Validated => {
  if (!isObject(value)) return malformed([], 'one JSON object', value, 'Send {"name": "page_view", …}.')
  const problem = unknownKey(value) ?? inspect(value) ?? fieldProblem(value)
  if (problem) return problem
  const event = canonical(value, receivedAt)
  const time = eventTime(event, receivedAt)
  if (typeof time !== 'number') return time
  const schema = checkSchema(event)
  return typeof schema === 'number' ? { event, time, schema } : schema
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const malformed = (path: string[], expected: string, found: unknown, advice: string): EventProblem => ({
  code: 'MALFORMED',
  message: `expected ${expected}, found ${describe(found)}. ${advice}`,
  ...(path.length > 0 && { path: pointer(path) }),
})

const ALLOWED: ReadonlySet<string> = new Set(CLIENT_KEYS)

const unknownKey = (value: Record<string, unknown>): EventProblem | null => {
  for (const key of Object.keys(value)) {
    if (ALLOWED.has(key)) continue
    const advice =
      key === '__proto__' ? 'Leave it out.' : `Put it under properties: {"properties": {"${shorten(key, 40)}": …}}.`
    return {
      code: 'MALFORMED',
      message: `expected only ${CLIENT_KEYS.join(', ')} at the top, found "${shorten(key, 40)}". ${advice}`,
      path: pointer([key]),
    }
  }
  return null
}

/** What a field must be, for the message, and whether it is. Null counts as absent, except for the name. */
interface FieldRule {
  expected: string
  accepts: (value: unknown) => boolean
}

/** NUL separates the parts of an identity, so it cannot be in one. */
const textRule = (chars: number): FieldRule => ({
  expected: `a string of 1 to ${chars} characters without NUL`,
  accepts: (value) => typeof value === 'string' && value.length > 0 && value.length <= chars && !value.includes('\0'),
})
const TIME = 'an RFC 3339 time as 2026-01-31T12:00:00.000Z'
const objectRule: FieldRule = { expected: 'an object', accepts: isObject }

const RULES: Record<keyof ClientEvent, FieldRule> = {
  id: textRule(LIMITS.idChars),
  name: {
    expected: `a name as ${NAME_PATTERN.source}`,
    accepts: (value) => typeof value === 'string' && NAME_PATTERN.test(value),
  },
  time: { expected: TIME, accepts: (value) => typeof value === 'string' },
  sessionId: textRule(LIMITS.keyChars),
  userId: textRule(LIMITS.keyChars),
  anonymousId: textRule(LIMITS.keyChars),
  properties: objectRule,
  context: objectRule,
  schemaVersion: {
    expected: 'a whole number from 1',
    accepts: (value) => Number.isSafeInteger(value) && (value as number) >= 1,
  },
}

const fieldProblem = (value: Record<string, unknown>): EventProblem | null => {
  for (const key of CLIENT_KEYS) {
    const field = value[key]
    if ((field === undefined || field === null) && key !== 'name') continue
    if (!RULES[key].accepts(field)) return malformed([key], RULES[key].expected, field, `Correct ${key}.`)
  }
  return null
}

/** Only the keys that exist, in one order, none of them null; an id of its own when the client chose none. */
const canonical = (value: Record<string, unknown>, receivedAt: number): ClientEvent => {
  const event: Record<string, unknown> = { id: value.id ?? uuidv7({ msecs: receivedAt }) }
  for (const key of CLIENT_KEYS) {
    const field = value[key]
    if (key !== 'id' && field !== undefined && field !== null) event[key] = field
  }
  return event as unknown as ClientEvent
}

const eventTime = (event: ClientEvent, receivedAt: number): number | EventProblem => {
  const sent = event.time === undefined ? null : parseTime(event.time)
  if (event.time !== undefined && sent === null) return malformed(['time'], TIME, event.time, 'Correct time.')
  const time = sent ?? uuidV7Time(event.id) ?? receivedAt
  const latest = receivedAt + FUTURE_LIMIT_MS
  if (time >= EARLIEST_TIME_MS && time <= latest) return time
  const where = sent === null ? 'the time inside the id, as time is not given,' : 'time'
  return {
    code: 'TIME_OUT_OF_RANGE',
    message: `expected ${where} from ${formatTime(EARLIEST_TIME_MS)} to ${formatTime(latest)}, found ${formatTime(time)}. Check the clock of the sender.`,
    path: sent === null ? '/id' : '/time',
  }
}
