import { LINE_BOUNDS, SOURCE_PATTERN } from '../event-line.ts'
import { LIMITS, MOST_WEIGHT } from '../limits.ts'
import { exactWeight } from '../measures/weight.ts'
import { NAME_PATTERN } from '../subjects.ts'
import { CLOSE, COLON, COMMA, endOfAscii, endOfNumber, endOfValue, NOT_PLAIN, OPEN, QUOTE } from './json.ts'
import { Properties } from './properties.ts'
import { ScannedEvent, ScannedLine } from './scanned-line.ts'
import { isAt, Texts } from './texts.ts'

const literal = (text: string): Uint8Array => new TextEncoder().encode(text)
/** What comes before each value of the server's part, in the order in which a gateway writes them. */
const TENANT = literal('{"tenant":"')
const SOURCE = literal(',"source":"')
const RECEIVED_AT = literal(',"receivedAt":')
const TIME = literal(',"time":')
const KEY = literal(',"key":"')
const WEIGHT = literal(',"weight":')
const COUNTRY = literal(',"country":"')
const BROWSER = literal(',"browser":"')
const OS = literal(',"os":"')
const DEVICE = literal(',"device":"')
const SCHEMA = literal(',"schema":')
const EVENT = literal(',"e":{')

/** Behind a literal that stands at `at`. */
const behind = (data: Uint8Array, at: number, bytes: Uint8Array): number => {
  for (let i = 0; i < bytes.length; i++) if (data[at + i] !== bytes[i]) return NOT_PLAIN
  return at + bytes.length
}

const NEWLINE = 0x0a
const ZERO = 0x30
const isDigit = (byte: number): boolean => byte >= ZERO && byte <= ZERO + 9

const isLength = (start: number, end: number, most: number): boolean => end > start && end - start <= most

/** So many digits are exact, and so are half of them in 32 bits. */
const [MOST_DIGITS, HALF] = [15, 8]

/** Names that were found to be some. */
class Names {
  private readonly pattern: RegExp
  private known = new Set<string>()

  constructor(pattern: RegExp) {
    this.pattern = pattern
  }

  has(text: string): boolean {
    if (this.known.has(text)) return true
    if (!this.pattern.test(text)) return false
    if (this.known.size >= 1_000) this.known = new Set()
    this.known.add(text)
    return true
  }
}

/** Members of an event that may stand in a line once. */
const ID = 1
const NAME = 2
export const TIME_SENT = 4
export const SESSION = 8
const USER = 16
const ANONYMOUS = 32
const PROPERTIES = 64
const CONTEXT = 128
export const VERSION = 256

/** By their length, by which all but two of them differ. */
const MEMBERS: readonly { name: string; bit: number }[][] = Array.from({ length: 16 }, () => [])
for (const [name, bit] of [
  ['id', ID],
  ['name', NAME],
  ['time', TIME_SENT],
  ['sessionId', SESSION],
  ['userId', USER],
  ['anonymousId', ANONYMOUS],
  ['properties', PROPERTIES],
  ['context', CONTEXT],
  ['schemaVersion', VERSION],
] as const) {
  MEMBERS[name.length].push({ name, bit })
}

/** 0: none that is known. */
const memberOf = (data: Uint8Array, start: number, end: number): number => {
  const length = end - start
  if (length >= MEMBERS.length) return 0
  const members = MEMBERS[length]
  for (let i = 0; i < members.length; i++) if (isAt(data, start, end, members[i].name)) return members[i].bit
  return 0
}

/** The line is the first level, its event the second. */
const LEVELS_OF_MEMBERS = LINE_BOUNDS.depth - 2

/**
 * Reads lines of a frame as a gateway writes them, and of these only what is asked for: byte by byte, since JSON.parse
 * makes every name and value of an event of which metrics read a few. What it takes, and what it reads of it, is what
 * readEventLine says; where it is not sure it answers null, and that one is asked.
 */
export class LineScanner {
  /** Where the line that was read last ends: at its newline, or at the end of the frame. */
  end = 0
  private readonly texts = new Texts()
  private readonly properties = new Properties(this.texts)
  private readonly names = new Names(NAME_PATTERN)
  private readonly sources = new Names(SOURCE_PATTERN)
  protected data: Buffer = Buffer.alloc(0)
  /** What stands in a head, and where in this frame one stands. */
  private tenant = ''
  private source = ''
  private receivedAt = 0
  private headStart = 0
  private headEnd = 0
  /** What was read last, as a number or as a text. */
  private number = 0
  private text = ''

  open(data: Buffer): void {
    this.data = data
    this.headEnd = 0
    this.headStart = 0
  }

  /** The line that begins at `start`. It reads its properties until the next one is read, and then all of itself. */
  read(start: number): ScannedLine | null {
    const { data } = this
    const e = new ScannedEvent(data, this.properties)
    const line = new ScannedLine(e)
    let at = this.server(line, start)
    if (at === NOT_PLAIN) return null
    e.start = at - 1
    at = this.client(e, at)
    if (at === NOT_PLAIN) return null
    e.end = at
    if (data[at] !== CLOSE) return null
    const end = at + 1
    if ((end < data.length && data[end] !== NEWLINE) || end - start > LINE_BOUNDS.chars) return null
    this.end = end
    return line
  }

  private server(line: ScannedLine, start: number): number {
    const { data } = this
    let at = this.head(start)
    if (at === NOT_PLAIN) return NOT_PLAIN
    line.tenant = this.tenant
    line.source = this.source
    line.receivedAt = this.receivedAt
    at = this.timeAt(at)
    if (at === NOT_PLAIN) return NOT_PLAIN
    line.time = this.number
    line.keyStart = behind(data, at, KEY)
    if (line.keyStart === NOT_PLAIN) return NOT_PLAIN
    line.keyEnd = endOfAscii(data, line.keyStart)
    if (!isLength(line.keyStart, line.keyEnd, LIMITS.keyChars)) return NOT_PLAIN
    at = this.weightAt(behind(data, line.keyEnd + 1, WEIGHT))
    if (at === NOT_PLAIN) return NOT_PLAIN
    line.weight = this.number
    at = this.enrichment(line, at)
    if (at === NOT_PLAIN) return NOT_PLAIN
    at = this.wholeAt(behind(data, at, SCHEMA))
    if (at === NOT_PLAIN || this.number > LINE_BOUNDS.schema) return NOT_PLAIN
    line.schema = this.number
    return behind(data, at, EVENT)
  }

  /** Behind what the lines of one request have in common: most lines begin as the one before. */
  private head(start: number): number {
    const { data, headStart, headEnd } = this
    const end = start + headEnd - headStart
    let at = start
    for (let same = headStart; same < headEnd && data[at] === data[same]; same++) at++
    if (at === end && headEnd > 0) return end
    at = this.textAt(behind(data, start, TENANT))
    if (at === NOT_PLAIN || !this.names.has(this.text)) return NOT_PLAIN
    this.tenant = this.text
    at = this.textAt(behind(data, at, SOURCE))
    if (at === NOT_PLAIN || !this.sources.has(this.text)) return NOT_PLAIN
    this.source = this.text
    at = this.timeAt(behind(data, at, RECEIVED_AT))
    if (at === NOT_PLAIN) return NOT_PLAIN
    this.receivedAt = this.number
    at = behind(data, at, TIME)
    if (at === NOT_PLAIN) return NOT_PLAIN
    this.headStart = start
    this.headEnd = at
    return at
  }

  private enrichment(line: ScannedLine, at: number): number {
    const { data } = this
    let next = behind(data, at, COUNTRY)
    if (next !== NOT_PLAIN) {
      at = this.textAt(next)
      if (at === NOT_PLAIN) return NOT_PLAIN
      line.country = this.text
    }
    next = behind(data, at, BROWSER)
    if (next !== NOT_PLAIN) {
      at = this.textAt(next)
      if (at === NOT_PLAIN) return NOT_PLAIN
      line.browser = this.text
    }
    next = behind(data, at, OS)
    if (next !== NOT_PLAIN) {
      at = this.textAt(next)
      if (at === NOT_PLAIN) return NOT_PLAIN
      line.os = this.text
    }
    next = behind(data, at, DEVICE)
    if (next !== NOT_PLAIN) {
      at = this.textAt(next)
      if (at === NOT_PLAIN) return NOT_PLAIN
      line.device = this.text
    }
    return at
  }

  /** Behind the event whose members begin at `at`. */
  private client(e: ScannedEvent, at: number): number {
    const { data } = this
    this.properties.clear(e)
    for (let seen = 0; ; ) {
      if (data[at] !== QUOTE) return NOT_PLAIN
      const start = at + 1
      const end = endOfAscii(data, start)
      if (end === NOT_PLAIN || data[end + 1] !== COLON) return NOT_PLAIN
      const member = memberOf(data, start, end)
      if (member === 0 || (seen & member) !== 0) return NOT_PLAIN
      seen |= member
      at = this.member(e, member, end + 2)
      if (at === NOT_PLAIN) return NOT_PLAIN
      if (data[at] === CLOSE) return (seen & (ID | NAME)) === (ID | NAME) ? at + 1 : NOT_PLAIN
      if (data[at] !== COMMA) return NOT_PLAIN
      at++
    }
  }

  /** Behind the member's value, which begins at `at`. */
  protected member(e: ScannedEvent, member: number, at: number): number {
    const { data } = this
    if (member === PROPERTIES) return this.properties.scan(data, at, LEVELS_OF_MEMBERS - 1, e)
    if (member === CONTEXT) return data[at] === OPEN ? endOfValue(data, at, LEVELS_OF_MEMBERS) : NOT_PLAIN
    if (member === VERSION || member === TIME_SENT) return endOfValue(data, at, LEVELS_OF_MEMBERS)
    if (data[at] !== QUOTE) return NOT_PLAIN
    const start = at + 1
    const end = endOfAscii(data, start)
    if (end === NOT_PLAIN) return NOT_PLAIN
    switch (member) {
      case ID:
        if (!isLength(start, end, LIMITS.idChars)) return NOT_PLAIN
        e.idStart = start
        e.idEnd = end
        break
      case NAME:
        e.name = this.texts.read(data, start, end)
        if (!this.names.has(e.name)) return NOT_PLAIN
        break
      case USER:
        e.userStart = start
        e.userEnd = end
        break
      case ANONYMOUS:
        e.anonymousStart = start
        e.anonymousEnd = end
    }
    return end + 1
  }

  /** Behind the quote of a text that begins at `at`. */
  private textAt(at: number): number {
    if (at === NOT_PLAIN) return NOT_PLAIN
    const end = endOfAscii(this.data, at)
    if (end === NOT_PLAIN) return NOT_PLAIN
    this.text = this.texts.read(this.data, at, end)
    return end + 1
  }

  /** Behind a whole number that begins at `at`. */
  private wholeAt(at: number): number {
    const { data } = this
    if (at === NOT_PLAIN || (data[at] === ZERO && isDigit(data[at + 1]))) return NOT_PLAIN
    const start = at
    // In two halves of 32 bits each.
    let high = 0
    for (; at < start + HALF && isDigit(data[at]); at++) high = high * 10 + data[at] - ZERO
    let low = 0
    let scale = 1
    for (; at < start + MOST_DIGITS && isDigit(data[at]); at++) {
      low = low * 10 + data[at] - ZERO
      scale *= 10
    }
    const next = data[at]
    // What goes on is a number of another kind.
    if (at === start || isDigit(next) || (next !== COMMA && next !== CLOSE)) return NOT_PLAIN
    this.number = high * scale + low
    return at
  }

  private timeAt(at: number): number {
    const end = this.wholeAt(at)
    const { number } = this
    return end !== NOT_PLAIN && number >= LINE_BOUNDS.earliestMs && number <= LINE_BOUNDS.latestMs ? end : NOT_PLAIN
  }

  private weightAt(at: number): number {
    const { data } = this
    if (at === NOT_PLAIN) return NOT_PLAIN
    if (data[at] === ZERO + 1 && data[at + 1] === COMMA) {
      this.number = 1
      return at + 1
    }
    const end = endOfNumber(data, at)
    if (end === NOT_PLAIN) return NOT_PLAIN
    const weight = Number(data.toString('latin1', at, end))
    if (!(weight > 0 && weight <= MOST_WEIGHT)) return NOT_PLAIN
    this.number = exactWeight(weight)
    return end
  }
}
