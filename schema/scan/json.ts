/**
 * Finds where JSON values end in bytes of UTF-8, and makes nothing of them: most of an event is read by no metric. It
 * takes JSON as JSON.stringify writes it (no space, no escape); of anything else it says NOT_PLAIN, and the caller reads
 * it the usual way.
 */
export const NOT_PLAIN = -1

export const QUOTE = 0x22
export const COMMA = 0x2c
export const COLON = 0x3a
export const OPEN = 0x7b
export const CLOSE = 0x7d
const BACKSLASH = 0x5c
const OPEN_LIST = 0x5b
const CLOSE_LIST = 0x5d
const MINUS = 0x2d
const POINT = 0x2e
const ZERO = 0x30
const SPACE = 0x20

/** Bytes of a string that stand for themselves: ASCII, and of what is beyond it every byte. */
const IN_TEXT = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= SPACE && byte !== QUOTE && byte !== BACKSLASH ? 1 : 0,
)
/** The same of ASCII alone. */
const IN_ASCII = IN_TEXT.map((is, byte) => (byte < 0x80 ? is : 0))

/** The closing quote of a string of ASCII whose text begins at `at`. */
export const endOfAscii = (data: Uint8Array, at: number): number => {
  while (IN_ASCII[data[at]] === 1) at++
  return data[at] === QUOTE ? at : NOT_PLAIN
}

/** The closing quote of any string whose text begins at `at`. */
export const endOfText = (data: Uint8Array, at: number): number => {
  while (IN_TEXT[data[at]] === 1) at++
  return data[at] === QUOTE ? at : NOT_PLAIN
}

const isDigit = (byte: number): boolean => byte >= ZERO && byte <= ZERO + 9

const endOfDigits = (data: Uint8Array, at: number): number => {
  while (isDigit(data[at])) at++
  return at
}

/** More digits, or a longer exponent, may be beyond a double. */
const [MOST_DIGITS, MOST_EXPONENT] = [300, 2]

/**
 * Behind a number that begins at `at` (RFC 8259, section 6). Not plain is what JSON.stringify does not write again as it
 * is: minus zero, and what may be beyond a double.
 */
export const endOfNumber = (data: Uint8Array, at: number): number => {
  const start = at
  if (data[at] === MINUS) at++
  const digits = at
  at = endOfDigits(data, at)
  if (at === digits || at > digits + MOST_DIGITS || (data[digits] === ZERO && at > digits + 1)) return NOT_PLAIN
  if (data[at] === POINT) {
    const fraction = at + 1
    at = endOfDigits(data, fraction)
    if (at === fraction) return NOT_PLAIN
  }
  at = endOfExponent(data, at)
  const isBelowOne = digits > start && data[digits] === ZERO
  return isBelowOne && isZero(data, digits, at) ? NOT_PLAIN : at
}

/** Behind the exponent of a number whose other digits end at `at`. */
const endOfExponent = (data: Uint8Array, at: number): number => {
  if ((data[at] | 0x20) !== 0x65) return at
  at++
  if (data[at] === MINUS || data[at] === 0x2b) at++
  const end = endOfDigits(data, at)
  return end === at || end > at + MOST_EXPONENT ? NOT_PLAIN : end
}

const isZero = (data: Uint8Array, start: number, end: number): boolean => {
  for (let at = start; at < end; at++) {
    if ((data[at] | 0x20) === 0x65) return true
    if (data[at] !== ZERO && data[at] !== POINT) return false
  }
  return true
}

/** Behind `word` when it stands at `at`. */
const endOfWord = (data: Uint8Array, at: number, word: string): number => {
  for (let i = 0; i < word.length; i++) if (data[at + i] !== word.charCodeAt(i)) return NOT_PLAIN
  return at + word.length
}

const endOfList = (data: Uint8Array, at: number, levels: number): number => {
  if (data[at] === CLOSE_LIST) return at + 1
  for (;;) {
    at = endOfValue(data, at, levels)
    if (at === NOT_PLAIN) return at
    if (data[at] === CLOSE_LIST) return at + 1
    if (data[at] !== COMMA) return NOT_PLAIN
    at++
  }
}

const endOfObject = (data: Uint8Array, at: number, levels: number): number => {
  if (data[at] === CLOSE) return at + 1
  for (;;) {
    if (data[at] !== QUOTE) return NOT_PLAIN
    at = endOfText(data, at + 1)
    if (at === NOT_PLAIN || data[at + 1] !== COLON) return NOT_PLAIN
    at = endOfValue(data, at + 2, levels)
    if (at === NOT_PLAIN) return at
    if (data[at] === CLOSE) return at + 1
    if (data[at] !== COMMA) return NOT_PLAIN
    at++
  }
}

/** Behind any value that begins at `at` and nests at most `levels` objects and lists. */
export const endOfValue = (data: Uint8Array, at: number, levels: number): number => {
  switch (data[at]) {
    case QUOTE: {
      const end = endOfText(data, at + 1)
      return end === NOT_PLAIN ? end : end + 1
    }
    case OPEN:
      return levels === 0 ? NOT_PLAIN : endOfObject(data, at + 1, levels - 1)
    case OPEN_LIST:
      return levels === 0 ? NOT_PLAIN : endOfList(data, at + 1, levels - 1)
    case 0x74:
      return endOfWord(data, at, 'true')
    case 0x66:
      return endOfWord(data, at, 'false')
    case 0x6e:
      return endOfWord(data, at, 'null')
    default:
      return endOfNumber(data, at)
  }
}
