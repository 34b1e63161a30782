import type { ClientEvent, EventLine } from './event.ts'
import { LIMITS, MOST_WEIGHT } from './limits.ts'
import { exactWeight } from './measures/weight.ts'
import { isName } from './subjects.ts'

/** Names of sources: `live`, imports, replays. */
export const SOURCE_PATTERN = /^[a-z0-9][a-z0-9._:-]{0,127}$/

/** What every store, subject and checkpoint can hold. */
export const LINE_BOUNDS = {
  /** Longer than the door lets anything become, shorter than what a checkpoint's message or a dead letter can hold. */
  chars: 65_536,
  /** The event is the second level of its line. */
  depth: LIMITS.jsonDepth + 1,
  /** 1970-01-01T00:01Z: minute 0 is none. */
  earliestMs: 60_000,
  /** 9999-12-31. */
  latestMs: 253_402_300_799_999,
  schema: 2 ** 31 - 1,
} as const

const isTime = (value: unknown): boolean =>
  Number.isSafeInteger(value) &&
  (value as number) >= LINE_BOUNDS.earliestMs &&
  (value as number) <= LINE_BOUNDS.latestMs

const isText = (value: unknown, chars: number): boolean =>
  typeof value === 'string' && value.length > 0 && value.length <= chars

const isOptionalText = (value: unknown): boolean => value === undefined || typeof value === 'string'
const isOptionalObject = (value: unknown): boolean =>
  value === undefined || (typeof value === 'object' && value !== null && !Array.isArray(value))

/** Whether it nests at most `left` levels. It runs for every event, so it looks at nothing else. */
const isShallow = (value: object, left: number): boolean => {
  if (left === 0) return false
  for (const key in value) {
    const inner = (value as Record<string, unknown>)[key]
    if (typeof inner === 'object' && inner !== null && !isShallow(inner, left - 1)) return false
  }
  return true
}

const isWhole = (value: unknown): boolean => {
  if (typeof value === 'string') return value.isWellFormed()
  if (typeof value !== 'object' || value === null) return true
  return Object.entries(value).every(([key, inner]) => key.isWellFormed() && isWhole(inner))
}

/**
 * What JSON can only say by an escape, and the door's lines never do: looked for in the text before it is in the values.
 * Most lines hold no escape at all.
 */
const ESCAPE = '\\'
const SURROGATES = ['\\ud', '\\uD'] as const
const NUL = '\\u0000'

const SOURCE = `expected source as ${SOURCE_PATTERN.source}`
const WEIGHT = `expected weight to be a number above 0, up to ${MOST_WEIGHT}`
const DEPTH = `expected at most ${LIMITS.jsonDepth} levels of nesting`

const serverProblem = (line: EventLine): string | null => {
  if (typeof line !== 'object' || line === null) return 'expected an object'
  if (!isName(line.tenant)) return 'expected tenant to be a name'
  if (typeof line.source !== 'string' || !SOURCE_PATTERN.test(line.source)) return SOURCE
  if (!isText(line.key, LIMITS.keyChars)) return 'expected key to be text of the length that a key may have'
  if (!isTime(line.time) || !isTime(line.receivedAt))
    return 'expected time and receivedAt in milliseconds, 1970 to 9999'
  if (!(typeof line.weight === 'number' && line.weight > 0 && line.weight <= MOST_WEIGHT)) return WEIGHT
  if (!(Number.isInteger(line.schema) && line.schema >= 0 && line.schema <= LINE_BOUNDS.schema))
    return 'expected schema version'
  const isEnriched = isOptionalText(line.country) && isOptionalText(line.browser)
  if (!(isEnriched && isOptionalText(line.os) && isOptionalText(line.device))) return 'expected enrichment to be text'
  return null
}

const clientProblem = (e: ClientEvent): string | null => {
  if (typeof e !== 'object' || e === null) return 'expected e to be an object'
  if (!isText(e.id, LIMITS.idChars)) return 'expected e.id to be text of the length that an id may have'
  if (!isName(e.name)) return 'expected e.name to be a name'
  const areIds = isOptionalText(e.sessionId) && isOptionalText(e.userId) && isOptionalText(e.anonymousId)
  if (!areIds) return 'expected sessionId, userId and anonymousId to be text'
  if (!isOptionalObject(e.properties) || !isOptionalObject(e.context))
    return 'expected properties and context as objects'
  return null
}

const textProblem = (line: EventLine, text: string): string | null => {
  if (!isShallow(line, LINE_BOUNDS.depth)) return DEPTH
  return text.includes(ESCAPE) ? escapeProblem(line, text) : null
}

const escapeProblem = (line: EventLine, text: string): string | null => {
  if (SURROGATES.some((start) => text.includes(start)) && !isWhole(line))
    return 'expected whole Unicode characters, found half of a surrogate pair'
  // It separates the parts of an identity.
  if (text.includes(NUL) && (line.key.includes('\0') || line.e.id.includes('\0')))
    return 'expected key and id without NUL'
  return null
}

/**
 * A line of a frame, or why it is none. The door lets nothing else into the log; but what stands there is not sure to
 * have come through it, and a line that a window counts must be one that every store and every checkpoint can hold.
 * Its weight is the one that counts (see exactWeight).
 */
export const readEventLine = (text: string): EventLine | string => {
  if (text.length > LINE_BOUNDS.chars) return `expected at most ${LINE_BOUNDS.chars} characters, found ${text.length}`
  let line: EventLine
  try {
    line = JSON.parse(text)
  } catch {
    return 'expected JSON'
  }
  const problem = serverProblem(line) ?? clientProblem(line.e) ?? textProblem(line, text)
  if (problem !== null) return problem
  line.weight = exactWeight(line.weight)
  return line
}
