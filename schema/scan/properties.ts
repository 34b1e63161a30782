import { CLOSE, COLON, COMMA, endOfText, endOfValue, NOT_PLAIN, OPEN, QUOTE } from './json.ts'
import { isAt, type Texts } from './texts.ts'

/** An event has hardly ever more of them. */
const MOST = 64
/** nameStart, nameEnd, valueStart, valueEnd. */
const PLACES = 4

const ZERO = 0x30
/** So many digits always fit an integer of 32 bits. */
const SMALL_DIGITS = 9

/** Names that are asked for, by number: several metrics ask for the same ones. */
const asked = new Map<string, number>()

/** A name as `get` takes it: ASCII, and none that every object has. */
export class PropertyName {
  readonly name: string
  readonly number: number

  constructor(name: string) {
    this.name = name
    this.number = asked.get(name) ?? asked.size
    asked.set(name, this.number)
  }
}

/** Properties of one event by their names: where each of them stands, so that only those that are asked for are made. */
export class Properties {
  private readonly texts: Texts
  private readonly places = new Int32Array(PLACES * MOST)
  private used = 0
  /** Whose they are. */
  of: object | null = null
  /** What was asked for, by the number of its name, and of which event that was. */
  private readonly made: unknown[] = []
  private readonly madeOf: number[] = []
  private event = 0
  private data: Buffer = Buffer.alloc(0)

  constructor(texts: Texts) {
    this.texts = texts
  }

  /** Reads an object that begins at `at` and in which so many levels may nest; answers what is behind it, or NOT_PLAIN. */
  scan(data: Buffer, at: number, levels: number, of: object): number {
    const { places } = this
    this.data = data
    this.of = of
    this.event++
    this.used = 0
    if (data[at] !== OPEN) return NOT_PLAIN
    at++
    if (data[at] === CLOSE) return at + 1
    for (let place = 0; place < places.length; place += PLACES) {
      if (data[at] !== QUOTE) return NOT_PLAIN
      const nameEnd = endOfText(data, at + 1)
      if (nameEnd === NOT_PLAIN || data[nameEnd + 1] !== COLON) return NOT_PLAIN
      const end = endOfValue(data, nameEnd + 2, levels)
      if (end === NOT_PLAIN) return NOT_PLAIN
      places[place] = at + 1
      places[place + 1] = nameEnd
      places[place + 2] = nameEnd + 2
      places[place + 3] = end
      this.used = place + PLACES
      if (data[end] === CLOSE) return end + 1
      if (data[end] !== COMMA) return NOT_PLAIN
      at = end + 1
    }
    return NOT_PLAIN
  }

  /** There are none. */
  clear(of: object): void {
    this.used = 0
    this.of = of
    this.event++
  }

  /** Undefined where there is none. */
  get({ name, number }: PropertyName): unknown {
    if (this.madeOf[number] === this.event) return this.made[number]
    const value = this.find(name)
    this.madeOf[number] = this.event
    this.made[number] = value
    return value
  }

  private find(name: string): unknown {
    const { data, places } = this
    // Of equal names the last one holds, as in JSON.parse.
    for (let place = this.used - PLACES; place >= 0; place -= PLACES) {
      if (isAt(data, places[place], places[place + 1], name)) return this.value(places[place + 2], places[place + 3])
    }
    return undefined
  }

  private value(start: number, end: number): unknown {
    const { data } = this
    const first = data[start] - ZERO
    if (first >= 0 && first <= 9 && end - start <= SMALL_DIGITS) {
      let value = first
      for (let at = start + 1; at < end; at++) {
        const digit = data[at] - ZERO
        if (!(digit >= 0 && digit <= 9)) return JSON.parse(data.toString('latin1', start, end))
        value = value * 10 + digit
      }
      return value
    }
    if (data[start] === QUOTE) return this.texts.read(data, start + 1, end - 1)
    return JSON.parse(data.toString('utf8', start, end))
  }
}
