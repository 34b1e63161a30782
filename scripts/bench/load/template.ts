import { BLANK_ID, writeHex, writeId } from './event-id.ts'
import { BLANK_TIME, createTimeWriter } from './event-time.ts'
import { BLANK_NUMBER, type BlankEvent } from './mix.ts'
import type { Envelope } from './protocol.ts'

/** A request whose blanks are filled in again and again; places are offsets of its bytes. */
interface Template {
  bytes: Buffer
  events: readonly BlankEvent[]
  ids: readonly number[]
  times: readonly number[]
  sessions: readonly number[]
  /** Of the number, once or twice an event. */
  visitors: readonly (readonly number[])[]
}

const SESSION = '"sessionId":"'
const UUID_TAIL = 28

const placesOf = (text: string, wanted: string): number[] => {
  const places: number[] = []
  for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + 1)) places.push(at)
  return places
}

const createTemplate = (events: readonly BlankEvent[], { open, separator, close, head }: Envelope): Template => {
  const body = open + events.map(({ text }) => text).join(separator) + close
  const first = head(body.length)
  const starts: number[] = []
  let at = first.length + open.length
  for (const { text } of events) {
    starts.push(at)
    at += text.length + separator.length
  }
  const place = (wanted: string, more = 0) => starts.map((start, i) => start + events[i].text.indexOf(wanted) + more)
  return {
    bytes: Buffer.from(first + body, 'latin1'),
    events,
    ids: place(BLANK_ID),
    times: place(BLANK_TIME),
    sessions: place(SESSION, SESSION.length + UUID_TAIL),
    visitors: starts.map((start, i) => placesOf(events[i].text, `-${BLANK_NUMBER}"`).map((at) => start + at + 1)),
  }
}

const writeDecimal = (bytes: Buffer, at: number, value: number): void => {
  for (let i = at + 7, left = value; i >= at; i--) {
    const rest = Math.floor(left / 10)
    bytes[i] = 0x30 + left - 10 * rest
    left = rest
  }
}

/** People that the shop knows. */
const VISITORS = 25_000_000
/** Odd: a different one for each round of a template. */
const SESSION_STEP = 0x85ebca6b
const VISITOR_STEP = 7_368_787

/** Renders requests. The same number at the same time gives the same bytes, as a client that tries again. */
export interface Renderer {
  /** Fills `target` with the request of this number and answers its length. Its first event has the number × batch. */
  render(request: number, nowMs: number, target: Buffer): number
  /** A buffer of this size takes any request. */
  longest: number
  /** Of an event as it is sent, without what stands around it. */
  bytesPerEvent: number
}

/** Requests of `batch` events each, one after the other from the mix; a new round has other sessions and people. */
export const createRenderer = (mix: readonly BlankEvent[], batch: number, envelope: Envelope): Renderer => {
  const templates = Array.from({ length: Math.floor(mix.length / batch) }, (_, i) =>
    createTemplate(mix.slice(i * batch, (i + 1) * batch), envelope),
  )
  const writeTime = createTimeWriter()

  const fill = (target: Buffer, template: Template, firstNumber: number, round: number, nowMs: number): void => {
    const { events, ids, times, sessions, visitors } = template
    const sessionRound = Math.imul(round, SESSION_STEP)
    const visitorRound = (round * VISITOR_STEP) % VISITORS
    for (let i = 0; i < events.length; i++) {
      const { delayMs, session, visitor } = events[i]
      const timeMs = nowMs - delayMs
      writeId(target, ids[i], timeMs, firstNumber + i)
      writeTime(target, times[i], timeMs)
      writeHex(target, sessions[i], (sessionRound ^ session) >>> 0)
      for (const at of visitors[i]) writeDecimal(target, at, (visitor + visitorRound) % VISITORS)
    }
  }

  return {
    render(request, nowMs, target) {
      const template = templates[request % templates.length]
      template.bytes.copy(target)
      fill(target, template, request * batch, Math.floor(request / templates.length), nowMs)
      return template.bytes.length
    },
    longest: Math.max(...templates.map(({ bytes }) => bytes.length)),
    bytesPerEvent: mix.reduce((sum, { text }) => sum + text.length, 0) / mix.length,
  }
}
