import { pointKey, type WindowInput } from '#infra/testing/graphql.ts'
import type { Value } from './book.ts'
import { type Definition, lengthMs, SESSION_END } from './definitions.ts'
import { type CountedEvent, matcherOf, type Read, readerOf, textOf } from './fields.ts'
import { createMeasured, type Measured, measuredField } from './measured.ts'
import { type CountedSession, sessionsOf } from './sessions.ts'

/** What a point must say. */
export interface Expected {
  /** Milliseconds since 1970. */
  endMs: number
  events: number
  measured: Measured
}

/** Expected points by their key, see pointKey. */
export type Windows = Map<string, Expected>

export interface Question {
  window: WindowInput
  /** Absent: all dimensions. */
  by?: readonly string[]
}

/** Starts of the windows that hold this time. */
const startsOf = (window: WindowInput): { sizeMs: number; of: (timeMs: number) => number[] } => {
  const { size, slide } =
    'sliding' in window ? window.sliding : 'tumbling' in window ? { size: window.tumbling, slide: window.tumbling } : {}
  if (!size || !slide) throw new Error('sessions have no fixed starts')
  const [sizeMs, slideMs] = [lengthMs(size), lengthMs(slide)]
  const of = (timeMs: number): number[] => {
    const starts: number[] = []
    for (let start = Math.floor(timeMs / slideMs) * slideMs; start > timeMs - sizeMs; start -= slideMs) {
      starts.push(start)
    }
    return starts
  }
  return { sizeMs, of }
}

/** Points by their place, each with what it must say. */
const createWindows = ({ measure }: Definition) => {
  const windows: Windows = new Map()
  const add = (startMs: number, endMs: number, dimensions: (string | null)[], value: Value | undefined): void => {
    const key = pointKey({ windowStart: new Date(startMs).toISOString(), dimensions })
    let expected = windows.get(key)
    if (!expected) {
      expected = { endMs, events: 0, measured: createMeasured(measure) }
      windows.set(key, expected)
    }
    expected.events++
    expected.measured.add(value)
  }
  return { windows, add }
}

const countSlices = (events: Iterable<CountedEvent>, definition: Definition, { window, by }: Question): Windows => {
  const { windows, add } = createWindows(definition)
  const field = measuredField(definition.measure)
  const value = field === undefined ? () => undefined : readerOf(field)
  const readers = (by ?? definition.dimensions).map(readerOf)
  const matches = matcherOf(definition)
  const starts = startsOf(window)
  for (const event of events) {
    if (!matches(event)) continue
    const dimensions = readers.map((read) => textOf(read(event)))
    for (const start of starts.of(event.timeMs)) add(start, start + starts.sizeMs, dimensions, value(event))
  }
  return windows
}

const countSessions = (events: Iterable<CountedEvent>, definition: Definition, gap: string, by?: readonly string[]) => {
  const { windows, add } = createWindows(definition)
  const field = measuredField(definition.measure)
  const value = field === undefined ? () => undefined : readerOf(field)
  const readers = (by ?? definition.dimensions).map(readerOf)
  for (const session of sessionsOf(Iterator.from(events).filter(matcherOf(definition)), lengthMs(gap))) {
    for (const event of session.events) {
      const dimensions = [session.key, ...readers.map((read) => textOf(read(event)))]
      add(session.startMs, session.lastMs + lengthMs(gap), dimensions, value(event))
    }
  }
  return windows
}

const sessionReader = (field: string): Read<CountedSession<CountedEvent>> => {
  if (field === 'properties.seconds') return ({ startMs, lastMs }) => (lastMs - startMs) / 1_000
  if (field === 'properties.events') return ({ events }) => events.length
  const read = readerOf(field)
  return ({ events }) => read(events[0])
}

/** Whether a session of this partition and source that ends then has ended. */
export type HasEnded = (session: CountedSession<CountedEvent>, endMs: number) => boolean

/** Points of a metric on the end of sessions: one event a session, at its end. */
export const countEnds = (
  events: Iterable<CountedEvent>,
  definition: Definition,
  { window, by }: Question,
  hasEnded: HasEnded,
): Windows => {
  const { windows, add } = createWindows(definition)
  const gapMs = lengthMs(definition.sessionGap ?? '')
  const field = measuredField(definition.measure)
  const value = field === undefined ? () => undefined : sessionReader(field)
  const readers = (by ?? definition.dimensions).map(sessionReader)
  const starts = startsOf(window)
  for (const session of sessionsOf(events, gapMs)) {
    const endMs = session.lastMs + gapMs
    if (!hasEnded(session, endMs)) continue
    const dimensions = readers.map((read) => textOf(read(session)))
    for (const start of starts.of(endMs)) add(start, start + starts.sizeMs, dimensions, value(session))
  }
  return windows
}

/** The points of a metric, from the events alone. */
export const countWindows = (events: Iterable<CountedEvent>, definition: Definition, question: Question): Windows => {
  if (definition.event === SESSION_END) throw new Error('ends of sessions take a clock: see countEnds')
  const { window, by } = question
  if ('session' in window) return countSessions(events, definition, window.session, by)
  return countSlices(events, definition, question)
}
