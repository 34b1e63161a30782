import { isUtf8 } from 'node:buffer'
import { MillraceError } from '#schema/errors.ts'
import { LIMITS } from '#schema/limits.ts'
import { parseEscaped } from './parse-escaped.ts'
import { type Problem, type ScanOptions, scanJson } from './strict-json.ts'
import { type EventProblem, eventProblem } from './verdict.ts'

/** Events of a request's body, not validated yet. */
export interface ParsedBody {
  /** One value an event, in the order sent; undefined where `problems` says why. */
  events: unknown[]
  problems: Map<number, EventProblem>
}

const SPACE = /[ \t\r\n]/
const NOT_UTF8: EventProblem = {
  code: 'MALFORMED',
  message: 'expected UTF-8 text, found other bytes. Encode the event as UTF-8.',
}

/**
 * Reads a collector body: a JSON array, newline-delimited JSON, or one object (which may be spread over lines). What is
 * wrong with one line or element harms only that event. Throws BAD_INPUT for an array that is no JSON, and
 * TOO_MANY_EVENTS.
 */
export const parseBody = (body: Buffer): ParsedBody => {
  const bytes = body.length >= 3 && body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf ? body.subarray(3) : body
  const decodable = isUtf8(bytes)
  // The bytes that structure a JSON text are ASCII, so a latin1 view has them at the same places.
  const text = decodable ? bytes.toString('utf8') : bytes.toString('latin1')
  if (firstChar(text) === '[') return decodable ? parseArray(text) : parseBrokenArray(text, bytes)
  return parseLines(text, decodable ? null : bytes)
}

const firstChar = (text: string): string => {
  let at = 0
  while (at < text.length && SPACE.test(text[at])) at++
  return text[at] ?? ''
}

interface Scanned {
  problems: Problem[]
  /** Keys are written with escapes, which JSON.parse may not read: see parseEscaped. */
  escapedKeys: boolean
}

const scan = (text: string, options: ScanOptions): Scanned => {
  let escapedKeys = false
  const onEscapedKey = (): void => {
    escapedKeys = true
  }
  const problems = scanJson(text, { ...options, onEscapedKey })
  return { problems, escapedKeys }
}

const parseScanned = (text: string, escapedKeys: boolean): unknown =>
  escapedKeys ? parseEscaped(text) : JSON.parse(text)

const scanArray = (text: string): Scanned => {
  const scanned = scan(text, { maxDepth: 1 + LIMITS.jsonDepth, unit: 1 })
  const last = scanned.problems.at(-1)
  if (last?.kind !== 'SYNTAX') return scanned
  throw new MillraceError(
    'BAD_INPUT',
    `The body is no JSON array: ${last.message}. Send a JSON array, or one object a line.`,
  )
}

const parseArray = (text: string): ParsedBody => {
  const scanned = scanArray(text)
  const problems = new Map<number, EventProblem>()
  for (const problem of scanned.problems) problems.set(Number(problem.path[0]), eventProblem(problem, 1))
  // An element that has a problem is not parsed at all.
  const events =
    problems.size > 0
      ? elementRanges(text).map(([start, end], index) =>
          problems.has(index) ? undefined : parseScanned(text.slice(start, end), scanned.escapedKeys),
        )
      : (parseScanned(text, scanned.escapedKeys) as unknown[])
  checkCount(events.length)
  return { events, problems }
}

/** An array with bytes that are not UTF-8: each element is decoded on its own. */
const parseBrokenArray = (latin1: string, bytes: Buffer): ParsedBody => {
  scanArray(latin1)
  const body = emptyBody()
  for (const [start, end] of elementRanges(latin1)) addText(body, bytes.subarray(start, end))
  return body
}

/** Where the elements of an array stand. The text is known to be one JSON array. */
const elementRanges = (text: string): [start: number, end: number][] => {
  const ranges: [number, number][] = []
  let depth = 0
  let start = 0
  for (let at = 0; at < text.length; at++) {
    const c = text[at]
    if (c === '"') at = closingQuote(text, at)
    else if (c === '[' || c === '{') {
      if (++depth === 1) start = at + 1
    } else if ((c === ',' && depth === 1) || ((c === ']' || c === '}') && depth-- === 1)) {
      ranges.push([start, at])
      start = at + 1
    }
  }
  return ranges
}

const closingQuote = (text: string, open: number): number => {
  let at = open + 1
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return at
}

const parseLines = (text: string, bytes: Buffer | null): ParsedBody => {
  const body = emptyBody()
  let start = 0
  while (start < text.length) {
    const newline = text.indexOf('\n', start)
    const end = newline < 0 ? text.length : newline
    const line = text.slice(start, end)
    if (firstChar(line) !== '') {
      if (bytes) addText(body, bytes.subarray(start, end))
      else add(body, line)
      if (body.events.length === 1 && body.problems.has(0) && newline >= 0 && bytes === null) {
        const whole = parseWhole(text)
        if (whole) return whole
      }
    }
    start = end + 1
  }
  return body
}

/** One object that is spread over lines, or null. */
const parseWhole = (text: string): ParsedBody | null => {
  const scanned = scanEvent(text)
  if (scanned.problems.at(-1)?.kind === 'SYNTAX') return null
  const body = emptyBody()
  add(body, text, scanned)
  return body
}

const emptyBody = (): ParsedBody => ({ events: [], problems: new Map() })

const scanEvent = (text: string): Scanned => scan(text, { maxDepth: LIMITS.jsonDepth })

const addText = (body: ParsedBody, bytes: Buffer): void => {
  if (isUtf8(bytes)) add(body, bytes.toString('utf8'))
  else {
    body.problems.set(body.events.length, NOT_UTF8)
    body.events.push(undefined)
  }
}

/** One event alone: its value, or what is wrong with its text, which is UTF-8. */
export const parseEvent = (text: string): { value: unknown; problem?: EventProblem } => {
  const { problems, escapedKeys } = scanEvent(text)
  const [problem] = problems
  return problem ? { value: undefined, problem: eventProblem(problem, 0) } : { value: parseScanned(text, escapedKeys) }
}

const add = (body: ParsedBody, text: string, { problems, escapedKeys } = scanEvent(text)): void => {
  const [problem] = problems
  if (problem) body.problems.set(body.events.length, eventProblem(problem, 0))
  body.events.push(problem ? undefined : parseScanned(text, escapedKeys))
  checkCount(body.events.length)
}

const checkCount = (count: number): void => {
  if (count <= LIMITS.batchEvents) return
  throw new MillraceError(
    'TOO_MANY_EVENTS',
    `Expected at most ${LIMITS.batchEvents} events in a request, there are more. Send them in several requests.`,
  )
}
