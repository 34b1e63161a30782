import { type ClientEvent, eventKey } from '#schema/event.ts'
import type { Enrichment } from './enrich.ts'
import { FIELD, type PlainEvents } from './plain/events.ts'

/** What all events of one request have in common. */
export interface LineContext {
  tenant: string
  source: string
  /** Milliseconds since 1970. */
  receivedAt: number
}

/** What the gateway knows of an event beside what its client sent. */
export interface ServerFields {
  /** Event time, milliseconds since 1970. */
  time: number
  /** Events that it stands for: 1, or more under load shedding. */
  weight: number
  /** Version of its schema; 0: there is none. */
  schema: number
  enrichment: Enrichment
}

/** A line that is not written yet. */
export interface Line {
  /** Of UTF-8, at most. */
  bytes: number
  /** Answers where it ends. */
  writeTo(data: Buffer, at: number): number
}

const [QUOTE, ZERO, CLOSE] = [0x22, 0x30, 0x7d]
const ascii = (text: string): Uint8Array => Buffer.from(text, 'latin1')
const KEY = ascii(',"key":"')
const EVENT = ascii(',"e":')
const NOTHING = ascii('')
const encoder = new TextEncoder()

/** Below this a loop is faster than a call of the platform. */
const SHORT = 48

const put = (data: Buffer, at: number, from: Uint8Array, start = 0, end = from.length): number => {
  if (end - start > SHORT) data.set(from.subarray(start, end), at)
  else for (let i = start; i < end; i++) data[at + i - start] = from[i]
  return at + end - start
}

const MOST_DIGITS = 16
const digits = new Uint8Array(MOST_DIGITS)
/** A whole number from 0 below 2^53. */
const putNumber = (data: Buffer, at: number, value: number): number => {
  let first = MOST_DIGITS
  do {
    const rest = Math.floor(value / 10)
    digits[--first] = ZERO + value - rest * 10
    value = rest
  } while (value > 0)
  return put(data, at, digits, first)
}

/** Of each distinct enrichment, of which there are few: an enricher gives the same object again. */
const enrichments = new WeakMap<Enrichment, string>()
const enriched = (enrichment: Enrichment): string => {
  const known = enrichments.get(enrichment)
  if (known !== undefined) return known
  const { country, browser, os, device } = enrichment
  let text = ''
  if (country !== undefined) text += `,"country":${JSON.stringify(country)}`
  if (browser !== undefined) text += `,"browser":${JSON.stringify(browser)}`
  if (os !== undefined) text += `,"os":${JSON.stringify(os)}`
  if (device !== undefined) text += `,"device":${JSON.stringify(device)}`
  enrichments.set(enrichment, text)
  return text
}

/** The last of each enrichment; most lines share it with one that is not long ago. */
const behinds = new WeakMap<Enrichment, { weight: number; schema: number; bytes: Uint8Array }>()

const behindKeyBytes = (server: ServerFields): Uint8Array => {
  const { weight, schema, enrichment } = server
  const known = behinds.get(enrichment)
  if (known?.weight === weight && known.schema === schema) return known.bytes
  // Not of Buffer's pool, of which a few bytes would keep a whole slab.
  const bytes = encoder.encode(behindKey(server))
  behinds.set(enrichment, { weight, schema, bytes })
  return bytes
}

interface Head extends LineContext {
  text: string
  bytes: Uint8Array
}

/** The last one: small requests come several in a millisecond, and mostly of one tenant. */
let lastHead: Head | undefined

const headOf = ({ tenant, source, receivedAt }: LineContext): Head => {
  if (lastHead?.receivedAt === receivedAt && lastHead.tenant === tenant && lastHead.source === source) return lastHead
  const text = `{"tenant":${JSON.stringify(tenant)},"source":${JSON.stringify(source)},"receivedAt":${receivedAt},"time":`
  lastHead = { tenant, source, receivedAt, text, bytes: ascii(text) }
  return lastHead
}

/** What stands between the key and the event. */
const behindKey = ({ weight, schema, enrichment }: ServerFields): string =>
  `,"weight":${weight}${enriched(enrichment)},"schema":${schema}`

/**
 * Writes EventLine JSON, the form in which lines enter the log, of events that were parsed. The reader of frames counts on
 * the order of the server's fields: see schema/scan/line-scanner.ts.
 */
export const createLineWriter = (context: LineContext) => {
  const { text: head } = headOf(context)
  /** `text` is the event itself as JSON, so that it is serialised once. */
  return (event: ClientEvent, text: string, server: ServerFields): string =>
    `${head}${server.time},"key":${JSON.stringify(eventKey(event))}${behindKey(server)},"e":${text}}`
}

/** The line of a plain event, which stands in it as it came. It is one line after the other. */
export class PlainLine implements Line {
  bytes = 0
  private readonly events: PlainEvents
  private readonly head: Uint8Array
  private event = 0
  private time = 0
  private keyStart = 0
  private keyEnd = 0
  private behind = NOTHING

  constructor(context: LineContext, events: PlainEvents) {
    this.events = events
    this.head = headOf(context).bytes
  }

  /** The key is a member of the event: where that stands. */
  of(event: number, keyStart: number, keyEnd: number, server: ServerFields): this {
    const { events, head } = this
    this.event = event
    this.keyStart = keyStart
    this.keyEnd = keyEnd
    this.time = server.time
    this.behind = behindKeyBytes(server)
    const sent = events.end(event, FIELD.event) - events.start(event, FIELD.event)
    this.bytes =
      head.length + MOST_DIGITS + KEY.length + (keyEnd - keyStart) + this.behind.length + EVENT.length + sent + 2
    return this
  }

  writeTo(data: Buffer, at: number): number {
    const { events, event } = this
    at = put(data, at, this.head)
    at = putNumber(data, at, this.time)
    at = put(data, at, KEY)
    at = put(data, at, events.data, this.keyStart, this.keyEnd)
    data[at++] = QUOTE
    at = put(data, at, this.behind)
    at = put(data, at, EVENT)
    at = this.client(data, at, events.start(event, FIELD.event), events.end(event, FIELD.event))
    data[at++] = CLOSE
    return at
  }

  private client(data: Buffer, at: number, start: number, end: number): number {
    const { events, event } = this
    const cut = events.start(event, FIELD.cut)
    if (cut === 0) return put(data, at, events.data, start, end)
    return put(data, put(data, at, events.data, start, cut), events.data, events.end(event, FIELD.cut), end)
  }
}
