import { isUtf8 } from 'node:buffer'
import { LIMITS } from '#schema/limits.ts'
import { isAt } from '#schema/scan/texts.ts'
import { compact, isSpace } from './compact.ts'
import { CLOSE_LIST, COMMA, Members, NO_VALUE, PlainJson } from './json.ts'

const QUOTE = 0x22
const OPEN = 0x7b
const COLON = 0x3a
const CLOSE = 0x7d
const BACKSLASH = 0x5c
const OPEN_LIST = 0x5b
const NEWLINE = 0x0a

/** How deep the value of a member may nest: the event is the first level. */
const LEVELS = LIMITS.jsonDepth - 1

/** Members of an event: each has its place in the table, start and end. */
export const FIELD = {
  event: 0,
  id: 2,
  name: 4,
  time: 6,
  sessionId: 8,
  userId: 10,
  anonymousId: 12,
  /** Of the members of all properties: the first of this event's, and behind its last. */
  properties: 14,
  /** What is cut out of the event: the address with its name and a comma. */
  cut: 16,
  ip: 18,
  userAgent: 20,
} as const
export type Field = (typeof FIELD)[keyof typeof FIELD]
const ODD = 22
const STRIDE = 23

/** Members of an event by their length. */
const CONTEXT = -1
const NAMES: readonly { name: string; field: Field | typeof CONTEXT; most: number }[][] = Array.from(
  { length: 12 },
  () => [],
)
/** `most`: longest in bytes that is surely no longer in characters than allowed. */
const addName = (name: string, field: Field | typeof CONTEXT, most: number): void => {
  NAMES[name.length].push({ name, field, most })
}
addName('id', FIELD.id, LIMITS.idChars)
addName('name', FIELD.name, LIMITS.idChars)
addName('time', FIELD.time, 64)
addName('sessionId', FIELD.sessionId, LIMITS.keyChars)
addName('userId', FIELD.userId, LIMITS.keyChars)
addName('anonymousId', FIELD.anonymousId, LIMITS.keyChars)
addName('properties', FIELD.properties, 0)
addName('context', CONTEXT, 0)

/**
 * Events of a request as they stand in its body. Of a plain one it is known where its members are: it has an id and a
 * name, all of it is what the door lets pass, and it is written as JSON.stringify would write it. Anything else of an
 * event is odd, and is parsed.
 */
export class PlainEvents {
  readonly data: Buffer
  readonly properties: Members
  length = 0
  private table: Int32Array

  constructor(data: Buffer) {
    this.data = data
    this.properties = new Members(data.length)
    this.table = new Int32Array(STRIDE * Math.min(256, 4 + (data.length >> 7)))
  }

  isPlain(event: number): boolean {
    return this.table[event * STRIDE + ODD] === 0
  }

  /** Where a member begins, behind its quote if it has one; 0: there is none. Of `event` itself 0 is its place. */
  start(event: number, field: Field): number {
    return this.table[event * STRIDE + field]
  }

  end(event: number, field: Field): number {
    return this.table[event * STRIDE + field + 1]
  }

  /** A member as text. */
  text(event: number, field: Field): string {
    return this.data.toString('utf8', this.start(event, field), this.end(event, field))
  }

  /** For the one that reads the events, until `setEvent`. */
  set(field: Field, start: number, end: number): void {
    const at = this.length * STRIDE + field
    this.table[at] = start
    this.table[at + 1] = end
  }

  has(field: Field): boolean {
    return this.table[this.length * STRIDE + field] !== 0
  }

  setEvent(start: number, end: number, odd: boolean): void {
    this.set(FIELD.event, start, end)
    this.table[this.length * STRIDE + ODD] = odd ? 1 : 0
    this.length++
    if (this.length * STRIDE < this.table.length) return
    const more = new Int32Array(2 * this.table.length)
    more.set(this.table)
    this.table = more
  }
}

/**
 * The events of a body: newline-delimited JSON, or a JSON array. Null where it is neither as far as this reader goes, or
 * holds too many events: the usual reader says what is wrong with it.
 */
export const readPlain = (body: Buffer): PlainEvents | null => {
  if (!isUtf8(body)) return null
  let first = 0
  while (isSpace(body[first])) first++
  const isList = body[first] === OPEN_LIST
  const reader = new Reader(body)
  if (reader.readAll(isList, first)) return reader.events
  if (!isSpace(body[reader.failedAt])) return null
  const again = new Reader(compact(body, !isList))
  return again.readAll(isList, 0) ? again.events : null
}

/** A list of events within a longer text. */
export interface PlainList {
  events: PlainEvents
  /** Behind the list, or NO_VALUE: something is no JSON, has space between its tokens, or holds too many events. */
  end: number
  /** Where what was met is none of it. */
  failedAt: number
}

/** The list of events that begins at `at` in a text that is known to be UTF-8. */
export const readPlainList = (data: Buffer, at: number): PlainList => {
  const reader = new Reader(data)
  const end = reader.list(at)
  return { events: reader.events, end, failedAt: reader.failedAt }
}

/** Of the context that is being read: one for all readers, as each context is done with before the next one is read. */
const ofContext = new Members(1_024)

class Reader {
  readonly events: PlainEvents
  private readonly data: Buffer
  private readonly json: PlainJson
  /** Bits of the members of the present event. */
  private seen = 0

  constructor(data: Buffer) {
    this.data = data
    this.json = new PlainJson(data)
    this.events = new PlainEvents(data)
  }

  get failedAt(): number {
    return this.json.failedAt
  }

  readAll(isList: boolean, at: number): boolean {
    return isList ? this.isEnd(this.list(at)) : this.lines(at)
  }

  /** Behind the list that begins at `at`. */
  list(at: number): number {
    const { data, json } = this
    if (data[at + 1] === CLOSE_LIST) return at + 2
    do {
      at = this.event(at + 1)
      if (at === NO_VALUE) return at
    } while (data[at] === COMMA)
    return data[at] === CLOSE_LIST ? at + 1 : json.fail(at)
  }

  private isEnd(at: number): boolean {
    if (at === NO_VALUE) return false
    while (isSpace(this.data[at])) at++
    return at === this.data.length
  }

  private lines(at: number): boolean {
    const { data } = this
    while (at < data.length) {
      if (data[at] === NEWLINE) {
        at++
        continue
      }
      at = this.event(at)
      if (at === NO_VALUE) return false
      if (at < data.length && data[at] !== NEWLINE) {
        this.json.failedAt = at
        return false
      }
    }
    return true
  }

  /** Behind the event, or whatever stands in place of one, that begins at `start`. */
  private event(start: number): number {
    const { data, events, json } = this
    if (events.length === LIMITS.batchEvents) return NO_VALUE
    json.odd = false
    const isObject = data[start] === OPEN && data[start + 1] === QUOTE
    const end = isObject ? this.members(start) : json.value(start, LIMITS.jsonDepth)
    if (end === NO_VALUE) return end
    const isWhole = isObject && events.has(FIELD.id) && events.has(FIELD.name)
    events.setEvent(start, end, json.odd || !isWhole || end - start > LIMITS.eventBytes)
    return end
  }

  private members(at: number): number {
    const { data, json } = this
    this.seen = 0
    do {
      const nameStart = at + 2
      if (data[at + 1] !== QUOTE) return json.fail(at + 1)
      const nameEnd = json.text(at + 1) - 1
      if (nameEnd < 0) return NO_VALUE
      if (data[nameEnd + 1] !== COLON) return json.fail(nameEnd + 1)
      at = this.member(nameStart, nameEnd, nameEnd + 2)
      if (at === NO_VALUE) return at
    } while (data[at] === COMMA)
    return data[at] === CLOSE ? at + 1 : json.fail(at)
  }

  /** Notes the member whose value begins at `at`; answers what is behind that. */
  private member(nameStart: number, nameEnd: number, at: number): number {
    const { data, json } = this
    const named = nameEnd - nameStart < NAMES.length ? NAMES[nameEnd - nameStart] : []
    for (let i = 0; i < named.length; i++) {
      const { name, field, most } = named[i]
      if (!isAt(data, nameStart, nameEnd, name)) continue
      // Properties, which may be none at all, have no place of their own: those that come twice are seen here.
      const bit = 1 << (field + 1)
      if ((this.seen & bit) !== 0) json.odd = true
      this.seen |= bit
      if (data[at] !== (most > 0 ? QUOTE : OPEN)) break
      if (field === CONTEXT) return this.context(at)
      return field === FIELD.properties ? this.properties(at) : this.text(field, at, most)
    }
    json.odd = true
    return json.value(at, LEVELS)
  }

  private text(field: Field, at: number, most: number): number {
    const { json, events } = this
    json.escaped = false
    const end = json.text(at)
    const length = end - at - 2
    if (json.escaped || length === 0 || length > most) json.odd = true
    events.set(field, at + 1, end - 1)
    return end
  }

  private properties(at: number): number {
    const { json, events } = this
    const first = events.properties.length
    const end = json.object(at, LEVELS, events.properties)
    events.set(FIELD.properties, first, events.properties.length)
    return end
  }

  /** An address is taken out of it: see createEnricher. */
  private context(at: number): number {
    const { data, json, events } = this
    ofContext.length = 0
    const end = json.object(at, LEVELS, ofContext)
    for (let i = 0; i < ofContext.length; i++) {
      const [nameStart, nameEnd] = [ofContext.nameStart(i), ofContext.nameEnd(i)]
      if (isAt(data, nameStart, nameEnd, 'ip')) {
        const [from, to] = [nameStart - 1, ofContext.end(i)]
        if (i > 0) events.set(FIELD.cut, from - 1, to)
        else events.set(FIELD.cut, from, data[to] === COMMA ? to + 1 : to)
        this.contextText(FIELD.ip, i)
      } else if (isAt(data, nameStart, nameEnd, 'userAgent')) this.contextText(FIELD.userAgent, i)
    }
    return end
  }

  private contextText(field: Field, member: number): void {
    const { data, json, events } = this
    const [start, end] = [ofContext.start(member), ofContext.end(member)]
    events.set(field, start + 1, end - 1)
    if (data[start] !== QUOTE || data.subarray(start, end).includes(BACKSLASH)) json.odd = true
  }
}
