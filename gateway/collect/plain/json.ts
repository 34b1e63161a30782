/**
 * Finds where JSON values end in bytes of UTF-8, and makes nothing of them: most requests hold events that can go into the
 * log as they came. Strict where the door is (see strict-json.ts), and stricter: what is allowed and yet not written as
 * JSON.stringify would write it is `odd`, and one that parses looks at it.
 */
const QUOTE = 0x22
export const COMMA = 0x2c
const COLON = 0x3a
const OPEN = 0x7b
const CLOSE = 0x7d
const BACKSLASH = 0x5c
const OPEN_LIST = 0x5b
export const CLOSE_LIST = 0x5d
const MINUS = 0x2d
const POINT = 0x2e
const ZERO = 0x30
const LETTER_U = 0x75
const SPACE = 0x20

/** There is no value: the text is no JSON, or has space between its tokens. */
export const NO_VALUE = -1

/** Bytes of a string that stand for themselves. */
const IN_TEXT = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= SPACE && byte !== QUOTE && byte !== BACKSLASH ? 1 : 0,
)
/** What JSON.stringify writes behind a backslash. */
const ESCAPED = Uint8Array.from({ length: 256 }, (_, byte) => ('"\\bfnrt'.includes(String.fromCharCode(byte)) ? 1 : 0))

const isDigit = (byte: number): boolean => byte >= ZERO && byte <= ZERO + 9
const isHex = (byte: number): boolean => isDigit(byte) || ((byte | SPACE) >= 0x61 && (byte | SPACE) <= 0x66)

/** A decimal of so many digits is written by JSON.stringify as it was read. */
const EXACT_DIGITS = 15
/** Of what is below a millionth JSON.stringify writes an exponent. */
const SMALL_ZEROS = 6

/** Names of one object that are compared with each other; one with more of them is odd. */
const MOST_NAMES = 48

/** A member of an object: where its name and its value stand. */
const PLACES = 4

/** Members of objects, one behind the other. */
export class Members {
  private places: Int32Array
  length = 0

  /** `bytes`: length of the text that they stand in; of a short one room for many would cost more than reading it. */
  constructor(bytes: number) {
    this.places = new Int32Array(PLACES * Math.min(1_024, 8 + (bytes >> 4)))
  }

  add(nameStart: number, nameEnd: number, start: number, end: number): void {
    const at = this.length++ * PLACES
    if (at === this.places.length) {
      const more = new Int32Array(2 * at)
      more.set(this.places)
      this.places = more
    }
    this.places[at] = nameStart
    this.places[at + 1] = nameEnd
    this.places[at + 2] = start
    this.places[at + 3] = end
  }

  nameStart(member: number): number {
    return this.places[member * PLACES]
  }

  nameEnd(member: number): number {
    return this.places[member * PLACES + 1]
  }

  start(member: number): number {
    return this.places[member * PLACES + 2]
  }

  end(member: number): number {
    return this.places[member * PLACES + 3]
  }
}

/**
 * Hashes of the names of the objects that are open. One for all readers: each is done before the next one begins, and an
 * array of its own costs more than reading a single event.
 */
const names = new Int32Array(MOST_NAMES * 2)

export class PlainJson {
  /** Something was met since this was cleared that is JSON, and yet not plain. */
  odd = false
  /** A string had an escape since this was cleared. */
  escaped = false
  /** Where the last value that is none went wrong. */
  failedAt = 0
  private readonly data: Uint8Array
  private namesEnd = 0
  /** Of the last name. */
  private hash = 0

  constructor(data: Uint8Array) {
    this.data = data
  }

  /** Behind the value that begins at `at`; NO_VALUE also where it nests more than `levels` deep. */
  value(at: number, levels: number): number {
    switch (this.data[at]) {
      case QUOTE:
        return this.text(at)
      case OPEN:
        return this.object(at, levels, null)
      case OPEN_LIST:
        return this.list(at, levels)
      case 0x74:
        return this.word(at, 'true')
      case 0x66:
        return this.word(at, 'false')
      case 0x6e:
        return this.word(at, 'null')
      default:
        return this.number(at)
    }
  }

  /** Behind the string whose quote is at `at`. */
  text(at: number): number {
    const { data } = this
    at++
    while (IN_TEXT[data[at]] === 1) at++
    while (data[at] !== QUOTE) {
      at = this.escape(at)
      if (at === NO_VALUE) return at
      while (IN_TEXT[data[at]] === 1) at++
    }
    return at + 1
  }

  private escape(at: number): number {
    const { data } = this
    if (data[at] !== BACKSLASH) return this.fail(at)
    this.escaped = true
    const escaped = data[at + 1]
    if (ESCAPED[escaped] === 1) return at + 2
    this.odd = true
    if (escaped === 0x2f) return at + 2
    for (let i = 2; i < 6; i++) if (!isHex(data[at + i])) return this.fail(at + i)
    return escaped === LETTER_U ? at + 6 : this.fail(at + 1)
  }

  /** Behind the object whose brace is at `at`. Notes its own members in `members`. */
  object(at: number, levels: number, members: Members | null): number {
    const { data } = this
    if (data[at] !== OPEN) return this.fail(at)
    if (levels === 0) return this.fail(at)
    if (data[at + 1] === CLOSE) return at + 2
    const namesStart = this.namesEnd
    for (;;) {
      const nameStart = at + 2
      const nameEnd = this.name(at + 1) - 1
      if (nameEnd < 0) return NO_VALUE
      if (data[nameEnd + 1] !== COLON) return this.fail(nameEnd + 1)
      this.noteName(namesStart, nameStart, nameEnd)
      const start = nameEnd + 2
      at = this.value(start, levels - 1)
      if (at === NO_VALUE) return at
      if (members !== null) members.add(nameStart, nameEnd, start, at)
      if (data[at] === CLOSE) break
      if (data[at] !== COMMA) return this.fail(at)
    }
    this.namesEnd = namesStart
    return at + 1
  }

  /** Behind the name whose quote is at `at`. One with an escape is odd. */
  private name(at: number): number {
    const { data } = this
    if (data[at] !== QUOTE) return this.fail(at)
    let hash = 0
    let next = at + 1
    for (; IN_TEXT[data[next]] === 1; next++) hash = (Math.imul(hash, 31) + data[next]) | 0
    this.hash = hash
    if (data[next] === QUOTE) return next + 1
    this.odd = true
    return this.text(at)
  }

  /** Two names of one hash are most likely one name that comes twice; the one that parses sees. */
  private noteName(namesStart: number, nameStart: number, nameEnd: number): void {
    const { data, hash } = this
    if (data[nameStart] === 0x5f && data[nameStart + 1] === 0x5f && nameEnd - nameStart === 9) this.odd = true
    if (this.namesEnd === names.length) {
      this.odd = true
      return
    }
    for (let i = namesStart; i < this.namesEnd; i++) if (names[i] === hash) this.odd = true
    names[this.namesEnd++] = hash
  }

  private list(at: number, levels: number): number {
    const { data } = this
    if (levels === 0) return this.fail(at)
    if (data[at + 1] === CLOSE_LIST) return at + 2
    for (;;) {
      at = this.value(at + 1, levels - 1)
      if (at === NO_VALUE) return at
      if (data[at] === CLOSE_LIST) return at + 1
      if (data[at] !== COMMA) return this.fail(at)
    }
  }

  private word(at: number, word: string): number {
    for (let i = 1; i < word.length; i++) if (this.data[at + i] !== word.charCodeAt(i)) return this.fail(at + i)
    return at + word.length
  }

  /** RFC 8259, section 6. Odd unless JSON.stringify would write the same digits. */
  private number(start: number): number {
    const { data } = this
    let at = start
    if (data[at] === MINUS) at++
    const whole = at
    at = this.digits(at)
    if (at === whole || (data[whole] === ZERO && at > whole + 1)) return this.fail(at)
    const isZero = data[whole] === ZERO
    let digits = at - whole
    if (data[at] === POINT) {
      const fraction = at + 1
      at = this.digits(fraction)
      if (at === fraction) return this.fail(at)
      digits += at - fraction
      if (data[at - 1] === ZERO || (isZero && this.zeros(fraction) >= SMALL_ZEROS)) this.odd = true
    } else if (isZero && whole > start) this.odd = true
    if (digits > EXACT_DIGITS) this.odd = true
    return (data[at] | SPACE) === 0x65 ? this.exponent(at) : at
  }

  private exponent(at: number): number {
    const { data } = this
    this.odd = true
    at++
    if (data[at] === MINUS || data[at] === 0x2b) at++
    const end = this.digits(at)
    return end === at ? this.fail(at) : end
  }

  private digits(at: number): number {
    while (isDigit(this.data[at])) at++
    return at
  }

  private zeros(start: number): number {
    let at = start
    while (this.data[at] === ZERO) at++
    return at - start
  }

  fail(at: number): number {
    this.failedAt = at
    return NO_VALUE
  }
}
