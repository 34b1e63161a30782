import { compact, isSpace } from '#gateway/collect/plain/compact.ts'
import { type PlainEvents, readPlainList } from '#gateway/collect/plain/events.ts'
import { NO_VALUE } from '#gateway/collect/plain/json.ts'

const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_LIST = 0x5b
const BACKSLASH = 0x5c
const OPEN = 0x7b
const CLOSE = 0x7d
const NULL = Buffer.from('null')
const EMPTY = Buffer.from('{}')

/** A GraphQL request that sends events, read as far as it takes to pass them on as they stand in it. */
export interface TrackEnvelope<P> {
  plan: P
  operationName: string | null
  /** The variable that holds the events. */
  variable: string
  events: PlainEvents
  /** Other variables; only strings and null are there. */
  others: ReadonlyMap<string, string | null>
}

/** `plan` answers what is known of a document by its JSON text, without the quotes; null where there is no plan. */
type PlanOf<P> = (queryText: string) => P | null

/** What a request is read by; each is used once. */
class EnvelopeReader<P> {
  failedAt = -1
  private readonly data: Buffer
  private readonly planOf: PlanOf<P>
  private plan: P | null = null
  private operationName: string | null = null
  private variable: string | null = null
  private events: PlainEvents | null = null
  private readonly others = new Map<string, string | null>()
  private readonly seen = new Set<string>()

  constructor(data: Buffer, planOf: PlanOf<P>) {
    this.data = data
    this.planOf = planOf
  }

  read(): TrackEnvelope<P> | null {
    const end = this.object(0, (name, at) => this.member(name, at))
    if (end === NO_VALUE || !this.isEnd(end)) return null
    const { plan, operationName, variable, events, others } = this
    if (plan === null || variable === null || events === null) return null
    return { plan, operationName, variable, events, others }
  }

  /** Passes an object whose members `member` passes; answers what is behind it. */
  private object(start: number, member: (name: string, at: number) => number): number {
    const { data } = this
    if (data[start] !== OPEN) return this.fail(start)
    let at = start
    do {
      const text = this.text(at + 1)
      if (text === null) return NO_VALUE
      const colon = at + text.length + 3
      if (data[colon] !== COLON) return this.fail(colon)
      at = member(text, colon + 1)
      if (at === NO_VALUE) return NO_VALUE
    } while (data[at] === COMMA)
    return data[at] === CLOSE ? at + 1 : this.fail(at)
  }

  /** A string of ASCII without escapes. */
  private text(at: number): string | null {
    const end = this.endOfText(at)
    if (end === NO_VALUE) return null
    for (let i = at; i < end; i++) {
      const byte = this.data[i]
      if (byte !== BACKSLASH && byte >= 0x20 && byte < 0x7f) continue
      this.fail(NO_VALUE)
      return null
    }
    return this.data.toString('latin1', at + 1, end - 1)
  }

  /** Behind the string that begins at `at`. */
  private endOfText(at: number): number {
    const { data } = this
    if (data[at] !== QUOTE) return this.fail(at)
    for (let end = data.indexOf(QUOTE, at + 1); end >= 0; end = data.indexOf(QUOTE, end + 1)) {
      let escapes = end
      while (data[escapes - 1] === BACKSLASH) escapes--
      if ((end - escapes) % 2 === 0) return end + 1
    }
    return this.fail(NO_VALUE)
  }

  private member(name: string, at: number): number {
    if (this.seen.has(name)) return this.fail(NO_VALUE)
    this.seen.add(name)
    if (name === 'query') return this.query(at)
    if (name === 'variables') return this.object(at, (variable, value) => this.variableAt(variable, value))
    if (name === 'operationName') return this.name(at)
    return name === 'extensions' && this.isAt(at, EMPTY) ? at + EMPTY.length : this.fail(NO_VALUE)
  }

  private query(at: number): number {
    const end = this.endOfText(at)
    if (end === NO_VALUE) return end
    this.plan = this.planOf(this.data.toString('latin1', at + 1, end - 1))
    return this.plan === null ? this.fail(NO_VALUE) : end
  }

  private name(at: number): number {
    if (this.isAt(at, NULL)) return at + NULL.length
    this.operationName = this.text(at)
    return this.operationName === null ? NO_VALUE : at + this.operationName.length + 2
  }

  private variableAt(name: string, at: number): number {
    if (this.others.has(name) || this.variable === name) return this.fail(NO_VALUE)
    if (this.data[at] === OPEN_LIST) return this.list(name, at)
    if (this.isAt(at, NULL)) {
      this.others.set(name, null)
      return at + NULL.length
    }
    const text = this.text(at)
    if (text === null) return NO_VALUE
    this.others.set(name, text)
    return at + text.length + 2
  }

  private list(name: string, at: number): number {
    if (this.variable !== null) return this.fail(NO_VALUE)
    const { events, end, failedAt } = readPlainList(this.data, at)
    if (end === NO_VALUE) return this.fail(failedAt)
    this.variable = name
    this.events = events
    return end
  }

  private isAt(at: number, word: Buffer): boolean {
    for (let i = 0; i < word.length; i++) if (this.data[at + i] !== word[i]) return false
    return true
  }

  private isEnd(at: number): boolean {
    while (isSpace(this.data[at])) at++
    return at === this.data.length || this.fail(at) !== NO_VALUE
  }

  private fail(at: number): number {
    this.failedAt = at
    return NO_VALUE
  }
}

/**
 * Reads a body that is UTF-8. Null for whatever is not an operation with a plan and plainly written variables; such a
 * request is read in the usual way.
 */
export const readTrackEnvelope = <P>(body: Buffer, planOf: PlanOf<P>): TrackEnvelope<P> | null => {
  const reader = new EnvelopeReader(body, planOf)
  const read = reader.read()
  if (read !== null || !isSpace(body[reader.failedAt])) return read
  return new EnvelopeReader(compact(body, false), planOf).read()
}
