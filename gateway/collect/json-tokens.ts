const QUOTE = 34
const PLUS = 43
const MINUS = 45
const POINT = 46
const ZERO = 48
const BACKSLASH = 92
const LETTER_E = 101
const LETTER_U = 117
const SIMPLE_ESCAPES = '"\\/bfnrt'
const LITERALS = ['true', 'false', 'null']

/** A number with fewer characters and no exponent is never beyond a double. */
const FINITE_CHARS = 308

export const isDigit = (c: number): boolean => c >= 48 && c <= 57
const isSurrogate = (unit: number): boolean => (unit & 0xf800) === 0xd800
const isHigh = (unit: number): boolean => (unit & 0xfc00) === 0xd800
const isLow = (unit: number): boolean => (unit & 0xfc00) === 0xdc00

/** Value of four hexadecimal digits, or -1. */
const hex4 = (text: string, at: number): number => {
  let value = 0
  for (let i = at; i < at + 4; i++) {
    const c = text.charCodeAt(i)
    const letter = c | 32
    if (isDigit(c)) value = value * 16 + c - ZERO
    else if (letter >= 97 && letter <= 102) value = value * 16 + letter - 87
    else return -1
  }
  return value
}

/** Reads the scalars of a JSON text (RFC 8259, sections 6 and 7). Keeps what it found, so that reading allocates nothing. */
export class JsonTokens {
  /** Where the last token ends. */
  end = 0
  /** What had been expected at `end`, when the last token is none. */
  expected: string | null = null
  /** Of the last string: whether it has escapes, and where its first lone surrogate is (-1: none). */
  escaped = false
  loneAt = -1
  /** The last number is beyond a double. */
  infinite = false
  private readonly text: string

  constructor(text: string) {
    this.text = text
  }

  /** Passes the string whose opening quote is at `open`. */
  string(open: number): void {
    const { text } = this
    this.escaped = false
    this.loneAt = -1
    let at = open + 1
    let c = text.charCodeAt(at)
    while (c !== QUOTE) {
      if (c === BACKSLASH) at = this.escape(at)
      else if (isSurrogate(c)) at = this.surrogate(at, 1, c)
      else if (c >= 32) at++
      else this.fail(at, Number.isNaN(c) ? 'the end of the string' : 'an escaped control character')
      if (this.expected !== null) return
      c = text.charCodeAt(at)
    }
    this.end = at + 1
  }

  /** Passes an escape sequence; answers where it ends. */
  private escape(at: number): number {
    this.escaped = true
    if (this.text.charCodeAt(at + 1) !== LETTER_U) {
      const known = at + 1 < this.text.length && SIMPLE_ESCAPES.includes(this.text[at + 1])
      return known ? at + 2 : this.fail(at + 1, 'an escape sequence')
    }
    const unit = hex4(this.text, at + 2)
    if (unit < 0) return this.fail(at + 2, 'four hexadecimal digits')
    return isSurrogate(unit) ? this.surrogate(at, 6, unit) : at + 6
  }

  /** Passes half of a pair, and the other half when it follows; each is raw (1 unit long) or escaped (6 units long). */
  private surrogate(at: number, length: number, unit: number): number {
    const next = at + length
    if (isHigh(unit)) {
      if (isLow(this.text.charCodeAt(next))) return next + 1
      const escaped = this.text.charCodeAt(next) === BACKSLASH && this.text.charCodeAt(next + 1) === LETTER_U
      if (escaped && isLow(hex4(this.text, next + 2))) {
        this.escaped = true
        return next + 6
      }
    }
    if (this.loneAt < 0) this.loneAt = at
    return next
  }

  /** Passes the number at `start`. */
  number(start: number): void {
    const { text } = this
    let at = text.charCodeAt(start) === MINUS ? start + 1 : start
    at = text.charCodeAt(at) === ZERO ? at + 1 : this.digits(at)
    if (text.charCodeAt(at) === POINT) at = this.digits(at + 1)
    const exponent = (text.charCodeAt(at) | 32) === LETTER_E
    if (exponent) {
      const sign = text.charCodeAt(at + 1)
      at = this.digits(sign === PLUS || sign === MINUS ? at + 2 : at + 1)
    }
    if (this.expected !== null) return
    this.end = at
    this.infinite = (exponent || at - start > FINITE_CHARS) && !Number.isFinite(Number(text.slice(start, at)))
  }

  /** Passes one digit or more; answers where they end. */
  private digits(start: number): number {
    if (this.expected !== null) return start
    let at = start
    while (isDigit(this.text.charCodeAt(at))) at++
    return at > start ? at : this.fail(at, 'a digit')
  }

  /** Passes true, false or null. */
  literal(at: number): void {
    const word = LITERALS.find((literal) => this.text.startsWith(literal, at))
    if (word === undefined) this.fail(at, 'a value')
    else this.end = at + word.length
  }

  private fail(at: number, expected: string): number {
    this.end = at
    this.expected = expected
    return at
  }
}
