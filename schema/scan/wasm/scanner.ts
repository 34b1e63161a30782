/**
 * The scanner of frames, in AssemblyScript: ../frame-scanner.ts says what it does and why, and reads what it leaves in
 * its memory. `npm run wasm` compiles it.
 *
 * Places are pointers in here, and places in the frame outside; a pointer of 0 is none, and says that a line is not
 * plain. Loops need no bounds: zeros stand behind the frame, and no text, number or name goes on over them.
 */

const NOT_PLAIN: usize = 0

const QUOTE: u32 = 0x22
const COMMA: u32 = 0x2c
const COLON: u32 = 0x3a
const OPEN: u32 = 0x7b
const CLOSE: u32 = 0x7d
const BACKSLASH: u32 = 0x5c
const OPEN_LIST: u32 = 0x5b
const CLOSE_LIST: u32 = 0x5d
const NEWLINE: u32 = 0x0a
const MINUS: u32 = 0x2d
const PLUS: u32 = 0x2b
const POINT: u32 = 0x2e
const ZERO: u32 = 0x30
const SPACE: u32 = 0x20
const UNDERLINE: u32 = 0x5f
/** Either case of it, once bit 5 is set. */
const EXPONENT: u32 = 0x65

/** What v128 holds, and what is read at once. */
const BLOCK: usize = 16

// Bounds, as in ../../limits.ts and ../../event-line.ts. A test compares what comes of them.

const KEY_CHARS: usize = 256
const ID_CHARS: usize = 128
const NAME_CHARS: usize = 64
const SOURCE_CHARS: usize = 128
const LINE_BYTES: usize = 65_536
const EARLIEST_MS: f64 = 60_000
const LATEST_MS: f64 = 253_402_300_799_999
const MOST_SCHEMA: f64 = 2_147_483_647
/** The line is the first level, its event the second. */
const LEVELS_OF_MEMBERS: i32 = 31
/** So many digits are exact. */
const MOST_DIGITS: usize = 15
/** More digits, or a longer exponent, may be beyond a double. */
const MOST_NUMBER_DIGITS: usize = 300
const MOST_EXPONENT: usize = 2

// What stands before values, each in a block: the server's part in the order in which a gateway writes it, then members.

const LITERAL_TEXTS: StaticArray<string> = [
  '{"tenant":"',
  ',"source":"',
  ',"receivedAt":',
  ',"time":',
  ',"key":"',
  ',"weight":',
  ',"country":"',
  ',"browser":"',
  ',"os":"',
  ',"device":"',
  ',"schema":',
  ',"e":{',
  '"id":',
  '"name":',
  '"time":',
  '"sessionId":',
  '"userId":',
  '"anonymousId":',
  '"properties":',
  '"context":',
  '"schemaVersion":',
]
const TENANT: usize = 0
const SOURCE: usize = 1
const RECEIVED_AT: usize = 2
const TIME: usize = 3
const KEY: usize = 4
const WEIGHT: usize = 5
const COUNTRY: usize = 6
const BROWSER: usize = 7
const OS: usize = 8
const DEVICE: usize = 9
const SCHEMA: usize = 10
const EVENT: usize = 11
const MEMBERS: usize = 12
const MEMBER_COUNT: usize = 9
/** Of the members: their places behind MEMBERS. */
const ID: usize = 0
const NAME: usize = 1
const TIME_SENT: usize = 2
const USER: usize = 4
const ANONYMOUS: usize = 5
const PROPERTIES: usize = 6
const CONTEXT: usize = 7
const VERSION: usize = 8
const NEEDED: u32 = (1 << (<u32>ID)) | (1 << (<u32>NAME))

const LITERALS = memory.data(32 * 16)
const LENGTHS = memory.data(32 * 4)

for (let i = 0; i < LITERAL_TEXTS.length; i++) {
  const text = LITERAL_TEXTS[i]
  store<u32>(LENGTHS + i * 4, text.length)
  for (let j = 0; j < text.length; j++) store<u8>(LITERALS + <usize>i * BLOCK + <usize>j, <u8>text.charCodeAt(j))
}

// What is left of a line: words of 32 bits. A span is a start and an end.

const BOUNDS_AT: usize = 0
const EVENT_AT: usize = 2
const HEAD_AT: usize = 4
const SCHEMA_AT: usize = 5
const TIME_AT: usize = 6
const RECEIVED_AT_AT: usize = 8
const TENANT_AT: usize = 10
const SOURCE_AT: usize = 12
const KEY_AT: usize = 14
const WEIGHT_AT: usize = 16
const ID_AT: usize = 18
const USER_AT: usize = 20
const ANONYMOUS_AT: usize = 22
const FLAGS_AT: usize = 24
const PROPERTIES_AT: usize = 25
/** Texts: a span and a slot each. */
const NAME_AT: usize = 27
const COUNTRY_AT: usize = 30
const BROWSER_AT: usize = 33
const OS_AT: usize = 36
const DEVICE_AT: usize = 39
const RECORD: usize = 42 * 4

/** Flags: the event's time is no text, its schemaVersion no small whole number, its session not the line's key. */
const ODD_TIME: u32 = 1
const ODD_VERSION: u32 = 2
const ODD_SESSION: u32 = 4
const MOST_VERSION_DIGITS: usize = 9

const MOST_LINES: i32 = 256
const RECORDS = memory.data(256 * 42 * 4)

/** Of a property: spans of its name and of its value, and their slots. */
const PLACE: usize = 6 * 4
const MOST_PLACES: usize = 4_096
/** An event has hardly ever more of them. */
const MOST_PROPERTIES: usize = 64
const PLACES = memory.data(4_096 * 6 * 4)

let input: usize = 0
let stop: usize = 0
let record: usize = 0
let place: usize = 0
let number: f64 = 0
let keyStart: usize = 0
let keyEnd: usize = 0
let sessionStart: usize = 0
let sessionEnd: usize = 0
/** What stands in a head, and where in this frame one stands. */
let headStart: usize = 0
let headEnd: usize = 0
let tenantStart: usize = 0
let tenantEnd: usize = 0
let sourceStart: usize = 0
let sourceEnd: usize = 0
let receivedAt: f64 = 0
/** Heads so far: lines of one have the same number. */
let heads: u32 = 0

export function records(): usize {
  return RECORDS
}

export function places(): usize {
  return PLACES
}

/** Makes room for a frame; answers where its bytes go. */
export function open(bytes: usize): usize {
  input = (__heap_base + BLOCK - 1) & ~(BLOCK - 1)
  stop = input + bytes
  const pages = <i32>((stop + 2 * BLOCK + 0xffff) >>> 16)
  if (pages > memory.size()) memory.grow(pages - memory.size())
  v128.store(stop, i8x16.splat(0))
  v128.store(stop + BLOCK, i8x16.splat(0))
  headStart = 0
  headEnd = 0
  return input
}

/** Scans lines from `start` on, as far as they are plain and as there is room. Answers how many. */
export function scan(start: usize): i32 {
  let at = input + start
  let lines = 0
  const lastPlace = PLACES + (MOST_PLACES - MOST_PROPERTIES) * PLACE
  record = RECORDS
  place = PLACES
  turn++
  while (lines < MOST_LINES && at < stop && place <= lastPlace) {
    const end = line(at)
    if (end === NOT_PLAIN) break
    record += RECORD
    lines++
    at = end + 1
  }
  return lines
}

/** Behind the line that begins at `start`. */
function line(start: usize): usize {
  const firstPlace = place
  let at = server(start)
  if (at === NOT_PLAIN) return at
  const eventStart = at - 1
  at = client(at)
  if (at === NOT_PLAIN || byte(at) !== CLOSE) return NOT_PLAIN
  const end = at + 1
  if ((end < stop && byte(end) !== NEWLINE) || end - start > LINE_BYTES) return NOT_PLAIN
  if (sessionStart !== 0 && !areEqual(sessionStart, sessionEnd, keyStart, keyEnd)) flag(ODD_SESSION)
  putSpan(BOUNDS_AT, start, end)
  putSpan(EVENT_AT, eventStart, at)
  put(PROPERTIES_AT, <u32>(firstPlace - PLACES) >>> 2)
  put(PROPERTIES_AT + 1, <u32>(place - PLACES) >>> 2)
  return end
}

function server(start: usize): usize {
  let at = head(start)
  if (at === NOT_PLAIN) return at
  put(HEAD_AT, heads)
  putSpan(TENANT_AT, tenantStart, tenantEnd)
  putSpan(SOURCE_AT, sourceStart, sourceEnd)
  store<f64>(record + RECEIVED_AT_AT * 4, receivedAt)
  at = timeAt(at)
  if (at === NOT_PLAIN) return at
  store<f64>(record + TIME_AT * 4, number)
  at = behind(at, KEY)
  if (at === NOT_PLAIN) return at
  keyStart = at
  keyEnd = endOfAscii(at)
  if (keyEnd === NOT_PLAIN || keyEnd === at || keyEnd - at > KEY_CHARS) return NOT_PLAIN
  putSpan(KEY_AT, at, keyEnd)
  at = behind(keyEnd + 1, WEIGHT)
  if (at === NOT_PLAIN) return at
  const weightEnd = endOfNumber(at)
  if (weightEnd === NOT_PLAIN) return weightEnd
  putSpan(WEIGHT_AT, at, weightEnd)
  at = enrichment(weightEnd, COUNTRY, COUNTRY_AT)
  if (at === NOT_PLAIN) return at
  at = enrichment(at, BROWSER, BROWSER_AT)
  if (at === NOT_PLAIN) return at
  at = enrichment(at, OS, OS_AT)
  if (at === NOT_PLAIN) return at
  at = enrichment(at, DEVICE, DEVICE_AT)
  if (at === NOT_PLAIN) return at
  at = behind(at, SCHEMA)
  if (at === NOT_PLAIN) return at
  at = wholeAt(at)
  if (at === NOT_PLAIN || number > MOST_SCHEMA) return NOT_PLAIN
  put(SCHEMA_AT, <u32>number)
  return behind(at, EVENT)
}

/** Behind what the lines of one request have in common: most lines begin as the one before. */
function head(start: usize): usize {
  const behindHead = start + headEnd - headStart
  if (headEnd !== 0 && areEqual(start, behindHead, headStart, headEnd)) return behindHead
  let at = behind(start, TENANT)
  if (at === NOT_PLAIN) return at
  tenantStart = at
  tenantEnd = endOfAscii(at)
  if (tenantEnd === NOT_PLAIN || !isName(tenantStart, tenantEnd)) return NOT_PLAIN
  at = behind(tenantEnd + 1, SOURCE)
  if (at === NOT_PLAIN) return at
  sourceStart = at
  sourceEnd = endOfAscii(at)
  if (sourceEnd === NOT_PLAIN || !isSource(sourceStart, sourceEnd)) return NOT_PLAIN
  at = behind(sourceEnd + 1, RECEIVED_AT)
  if (at === NOT_PLAIN) return at
  at = timeAt(at)
  if (at === NOT_PLAIN) return at
  receivedAt = number
  at = behind(at, TIME)
  if (at === NOT_PLAIN) return at
  headStart = start
  headEnd = at
  heads++
  return at
}

function enrichment(at: usize, literal: usize, text: usize): usize {
  const start = behind(at, literal)
  if (start === NOT_PLAIN) {
    putNothing(text)
    return at
  }
  const end = endOfAscii(start)
  if (end === NOT_PLAIN) return NOT_PLAIN
  putSpan(text, start, end)
  put(text + 2, intern(start, end))
  return end + 1
}

/** Behind the event whose members begin at `at`. */
function client(at: usize): usize {
  putNothing(USER_AT)
  putNothing(ANONYMOUS_AT)
  put(FLAGS_AT, 0)
  sessionStart = 0
  let seen: u32 = 0
  // Most events have their members in one order.
  let next: usize = 0
  while (true) {
    const member = memberAt(at, next)
    if (member === MEMBER_COUNT) return NOT_PLAIN
    const bit: u32 = 1 << (<u32>member)
    if ((seen & bit) !== 0) return NOT_PLAIN
    seen |= bit
    next = member + 1
    at = memberValue(at + literalLength(MEMBERS + member), member)
    if (at === NOT_PLAIN) return at
    const c = byte(at)
    if (c === CLOSE) return (seen & NEEDED) === NEEDED ? at + 1 : NOT_PLAIN
    if (c !== COMMA) return NOT_PLAIN
    at++
  }
}

/** Which member's name stands there; MEMBER_COUNT: none. `guess` is looked at first. */
function memberAt(at: usize, guess: usize): usize {
  if (guess < MEMBER_COUNT && is(at, MEMBERS + guess)) return guess
  for (let member: usize = 0; member < MEMBER_COUNT; member++) if (is(at, MEMBERS + member)) return member
  return MEMBER_COUNT
}

/** Behind the member's value, which begins at `at`. */
function memberValue(at: usize, member: usize): usize {
  if (member === PROPERTIES) return properties(at)
  if (member === CONTEXT) return byte(at) === OPEN ? endOfObject(at + 1, LEVELS_OF_MEMBERS - 1) : NOT_PLAIN
  if (member === TIME_SENT) {
    if (byte(at) !== QUOTE) flag(ODD_TIME)
    return endOfValue(at, LEVELS_OF_MEMBERS)
  }
  if (member === VERSION) {
    const end = endOfValue(at, LEVELS_OF_MEMBERS)
    if (end !== NOT_PLAIN && (end - at > MOST_VERSION_DIGITS || endOfDigits(at) !== end)) flag(ODD_VERSION)
    return end
  }
  if (byte(at) !== QUOTE) return NOT_PLAIN
  const start = at + 1
  const end = endOfAscii(start)
  if (end === NOT_PLAIN) return NOT_PLAIN
  if (member === ID) {
    if (end === start || end - start > ID_CHARS) return NOT_PLAIN
    putSpan(ID_AT, start, end)
  } else if (member === NAME) {
    if (!isName(start, end)) return NOT_PLAIN
    putSpan(NAME_AT, start, end)
    put(NAME_AT + 2, intern(start, end))
  } else if (member === USER) putSpan(USER_AT, start, end)
  else if (member === ANONYMOUS) putSpan(ANONYMOUS_AT, start, end)
  else {
    sessionStart = start
    sessionEnd = end
  }
  return end + 1
}

/** Behind an object of properties; notes where each of them stands. */
function properties(at: usize): usize {
  if (byte(at) !== OPEN) return NOT_PLAIN
  at++
  if (byte(at) === CLOSE) return at + 1
  const most = place + MOST_PROPERTIES * PLACE
  while (place < most) {
    if (byte(at) !== QUOTE) return NOT_PLAIN
    const nameStart = at + 1
    const nameEnd = endOfText(nameStart)
    if (nameEnd === NOT_PLAIN || byte(nameEnd + 1) !== COLON) return NOT_PLAIN
    const start = nameEnd + 2
    const end = endOfValue(start, LEVELS_OF_MEMBERS - 1)
    if (end === NOT_PLAIN) return NOT_PLAIN
    store<u32>(place, <u32>(nameStart - input))
    store<u32>(place, <u32>(nameEnd - input), 4)
    store<u32>(place, <u32>(start - input), 8)
    store<u32>(place, <u32>(end - input), 12)
    store<u32>(place, intern(nameStart, nameEnd), 16)
    store<u32>(place, byte(start) === QUOTE ? intern(start + 1, end - 1) : 0, 20)
    place += PLACE
    const c = byte(end)
    if (c === CLOSE) return end + 1
    if (c !== COMMA) return NOT_PLAIN
    at = end + 1
  }
  return NOT_PLAIN
}

// Parts of a record.

function put(word: usize, value: u32): void {
  store<u32>(record + word * 4, value)
}

function putSpan(word: usize, start: usize, end: usize): void {
  put(word, <u32>(start - input))
  put(word + 1, <u32>(end - input))
}

/** 0, where no value can stand, is nowhere. */
function putNothing(word: usize): void {
  put(word, 0)
  put(word + 1, 0)
}

function flag(bit: u32): void {
  put(FLAGS_AT, load<u32>(record + FLAGS_AT * 4) | bit)
}

// Bytes.

function byte(at: usize): u32 {
  return load<u8>(at)
}

/** Whether the first bytes of two blocks are equal. */
function startsAlike(a: v128, b: v128, bytes: u32): bool {
  const equal = <u32>i8x16.bitmask(i8x16.eq(a, b))
  return (~equal & ((1 << bytes) - 1)) === 0
}

function areEqual(start: usize, end: usize, otherStart: usize, otherEnd: usize): bool {
  let left = end - start
  if (otherEnd - otherStart !== left) return false
  for (; left >= BLOCK; left -= BLOCK) {
    if (v128.any_true(v128.xor(v128.load(start), v128.load(otherStart)))) return false
    start += BLOCK
    otherStart += BLOCK
  }
  return startsAlike(v128.load(start), v128.load(otherStart), <u32>left)
}

function literalLength(literal: usize): usize {
  return load<u32>(LENGTHS + literal * 4)
}

function is(at: usize, literal: usize): bool {
  return startsAlike(v128.load(at), v128.load(LITERALS + literal * BLOCK), <u32>literalLength(literal))
}

/** Behind a literal that stands at `at`. */
function behind(at: usize, literal: usize): usize {
  return is(at, literal) ? at + literalLength(literal) : NOT_PLAIN
}

// JSON as JSON.stringify writes it: no space, no escape.

/** The closing quote of a string of ASCII whose text begins at `at`. */
function endOfAscii(at: usize): usize {
  while (true) {
    const bytes = v128.load(at)
    // As signed numbers: what is beyond ASCII is below zero.
    const ends = i8x16.bitmask(v128.or(i8x16.lt_s(bytes, i8x16.splat(<i8>SPACE)), quotesOf(bytes)))
    if (ends !== 0) return closing(at + ctz(ends))
    at += BLOCK
  }
}

/** The same of any text, in whose characters beyond ASCII every byte stands for itself. */
function endOfText(at: usize): usize {
  while (true) {
    const bytes = v128.load(at)
    const ends = i8x16.bitmask(v128.or(i8x16.lt_u(bytes, i8x16.splat(<i8>SPACE)), quotesOf(bytes)))
    if (ends !== 0) return closing(at + ctz(ends))
    at += BLOCK
  }
}

function quotesOf(bytes: v128): v128 {
  return v128.or(i8x16.eq(bytes, i8x16.splat(<i8>QUOTE)), i8x16.eq(bytes, i8x16.splat(<i8>BACKSLASH)))
}

function closing(at: usize): usize {
  return byte(at) === QUOTE ? at : NOT_PLAIN
}

function isDigit(c: u32): bool {
  return c - ZERO <= 9
}

function isLetter(c: u32): bool {
  return c - 0x61 <= 25
}

function endOfDigits(at: usize): usize {
  while (isDigit(byte(at))) at++
  return at
}

/**
 * Behind a number that begins at `at` (RFC 8259, section 6). Not plain is what JSON.stringify does not write again as it
 * is: minus zero, and what may be beyond a double.
 */
function endOfNumber(at: usize): usize {
  const start = at
  if (byte(at) === MINUS) at++
  const digits = at
  at = endOfDigits(at)
  if (at === digits || at > digits + MOST_NUMBER_DIGITS || (byte(digits) === ZERO && at > digits + 1)) return NOT_PLAIN
  if (byte(at) === POINT) {
    const fraction = at + 1
    at = endOfDigits(fraction)
    if (at === fraction) return NOT_PLAIN
  }
  if ((byte(at) | 0x20) === EXPONENT) {
    at++
    if (byte(at) === MINUS || byte(at) === PLUS) at++
    const exponent = at
    at = endOfDigits(at)
    if (at === exponent || at > exponent + MOST_EXPONENT) return NOT_PLAIN
  }
  const isMinusBelowOne = digits > start && byte(digits) === ZERO
  return isMinusBelowOne && isZero(digits, at) ? NOT_PLAIN : at
}

function isZero(start: usize, end: usize): bool {
  for (let at = start; at < end; at++) {
    const c = byte(at)
    if ((c | 0x20) === EXPONENT) return true
    if (c !== ZERO && c !== POINT) return false
  }
  return true
}

function endOfList(at: usize, levels: i32): usize {
  if (byte(at) === CLOSE_LIST) return at + 1
  while (true) {
    at = endOfValue(at, levels)
    if (at === NOT_PLAIN) return at
    const c = byte(at)
    if (c === CLOSE_LIST) return at + 1
    if (c !== COMMA) return NOT_PLAIN
    at++
  }
}

function endOfObject(at: usize, levels: i32): usize {
  if (byte(at) === CLOSE) return at + 1
  while (true) {
    if (byte(at) !== QUOTE) return NOT_PLAIN
    at = endOfText(at + 1)
    if (at === NOT_PLAIN || byte(at + 1) !== COLON) return NOT_PLAIN
    at = endOfValue(at + 2, levels)
    if (at === NOT_PLAIN) return at
    const c = byte(at)
    if (c === CLOSE) return at + 1
    if (c !== COMMA) return NOT_PLAIN
    at++
  }
}

/** Behind any value that begins at `at` and nests at most `levels` objects and lists. */
function endOfValue(at: usize, levels: i32): usize {
  const c = byte(at)
  if (c === QUOTE) {
    const end = endOfText(at + 1)
    return end === NOT_PLAIN ? end : end + 1
  }
  if (c === OPEN) return levels === 0 ? NOT_PLAIN : endOfObject(at + 1, levels - 1)
  if (c === OPEN_LIST) return levels === 0 ? NOT_PLAIN : endOfList(at + 1, levels - 1)
  // Four letters at once, the last one first: "true", "null", and "alse" of "false".
  if (c === 0x74) return load<u32>(at) === 0x65757274 ? at + 4 : NOT_PLAIN
  if (c === 0x6e) return load<u32>(at) === 0x6c6c756e ? at + 4 : NOT_PLAIN
  if (c === 0x66) return load<u32>(at + 1) === 0x65736c61 ? at + 5 : NOT_PLAIN
  return endOfNumber(at)
}

/** Behind a whole number that begins at `at`; its value is in `number`. */
function wholeAt(at: usize): usize {
  const start = at
  if (byte(at) === ZERO && isDigit(byte(at + 1))) return NOT_PLAIN
  let value: u64 = 0
  for (; at < start + MOST_DIGITS && isDigit(byte(at)); at++) value = value * 10 + byte(at) - ZERO
  const next = byte(at)
  // What goes on is a number of another kind.
  if (at === start || (next !== COMMA && next !== CLOSE)) return NOT_PLAIN
  number = <f64>value
  return at
}

function timeAt(at: usize): usize {
  const end = wholeAt(at)
  return end !== NOT_PLAIN && number >= EARLIEST_MS && number <= LATEST_MS ? end : NOT_PLAIN
}

/** See NAME_PATTERN. */
function isName(start: usize, end: usize): bool {
  if (end - start > NAME_CHARS || !isLetter(byte(start))) return false
  for (let at = start + 1; at < end; at++) {
    const c = byte(at)
    if (!isLetter(c) && !isDigit(c) && c !== UNDERLINE) return false
  }
  return true
}

/** See SOURCE_PATTERN. */
function isSource(start: usize, end: usize): bool {
  const first = byte(start)
  if (end - start > SOURCE_CHARS || !(isLetter(first) || isDigit(first))) return false
  for (let at = start + 1; at < end; at++) {
    const c = byte(at)
    if (!isLetter(c) && !isDigit(c) && c !== POINT && c !== UNDERLINE && c !== COLON && c !== MINUS) return false
  }
  return true
}

// Texts that come again and again: names, countries, paths. Each has a slot; what was in it before is forgotten.

const MOST_TEXT: usize = 64
const TEXTS = memory.data(2_048 * 64)
const TEXT_LENGTHS = memory.data(2_048)
/** By slot: which text it is of all that ever were in one. */
const SERIALS = memory.data(2_048 * 4)
/** By slot: the call of `scan` that found it last. Its lines are still to be read: none of their texts may go. */
const TURNS = memory.data(2_048 * 4)
const NEVER: u32 = 0xffff_ffff
let serial: u32 = 0
let turn: u32 = 0

export function texts(): usize {
  return TEXTS
}

export function textLengths(): usize {
  return TEXT_LENGTHS
}

export function serials(): usize {
  return SERIALS
}

const BEYOND_ASCII: u64 = ((<u64>0x8080_8080) << 32) | 0x8080_8080
/** Digits of the golden ratio (Knuth, The Art of Computer Programming, volume 3, 6.4). */
const GOLDEN: u64 = ((<u64>0x9e37_79b9) << 32) | 0x7f4a_7c15

/** Slot of a short text of ASCII; 0: it has none. */
function intern(start: usize, end: usize): u32 {
  const length = end - start
  if (length > MOST_TEXT) return 0
  let hash: u64 = length
  let bits: u64 = 0
  const whole = length & ~7
  for (let i: usize = 0; i < whole; i += 8) {
    const word = load<u64>(start + i)
    bits |= word
    hash = mix(hash ^ word)
  }
  const last = load<u64>(start + whole) & restOf(length)
  bits |= last
  if ((bits & BEYOND_ASCII) !== 0) return 0
  hash = mix(hash ^ last)
  const first = <u32>(hash >>> 53)
  // 0 stands for none.
  const a = first === 0 ? 1 : first
  if (isIn(a, start, length)) return a
  const b = a ^ 1 || 2
  if (isIn(b, start, length)) return b
  return replace(a, start, length) || replace(b, start, length)
}

function mix(word: u64): u64 {
  word *= GOLDEN
  return word ^ (word >>> 32)
}

/** Bits of the last word that belong to a text of this length. */
function restOf(length: usize): u64 {
  return ((<u64>1) << ((length & 7) << 3)) - 1
}

function textOf(slot: u32): usize {
  return TEXTS + <usize>slot * MOST_TEXT
}

function isIn(slot: u32, start: usize, length: usize): bool {
  if (<usize>load<u8>(TEXT_LENGTHS + slot) !== length || load<u32>(SERIALS + slot * 4) === 0) return false
  const text = textOf(slot)
  const whole = length & ~7
  for (let i: usize = 0; i < whole; i += 8) if (load<u64>(text + i) !== load<u64>(start + i)) return false
  const rest = restOf(length)
  if ((load<u64>(text + whole) & rest) !== (load<u64>(start + whole) & rest)) return false
  const turns = TURNS + slot * 4
  if (load<u32>(turns) !== NEVER) store<u32>(turns, turn)
  return true
}

/** 0: it is taken. */
function replace(slot: u32, start: usize, length: usize): u32 {
  const seen = load<u32>(TURNS + slot * 4)
  if (seen === turn || seen === NEVER) return 0
  memory.copy(textOf(slot), start, length)
  store<u8>(TEXT_LENGTHS + slot, <u8>length)
  store<u32>(SERIALS + slot * 4, ++serial)
  store<u32>(TURNS + slot * 4, turn)
  return slot
}

/** Slot of a text that stands where frames begin, for good; 0: it has none. Whatever was read of a frame is lost. */
export function pin(length: usize): u32 {
  turn++
  const slot = intern(input, input + length)
  if (slot !== 0) store<u32>(TURNS + slot * 4, NEVER)
  return slot
}

// MurmurHash3 x86_128 of the UTF-16 code units of texts of ASCII, as in ../../hash.ts.

const SEED = memory.data(16)
const ZERO_SEED = memory.data(16)
const HASH = memory.data(16)
const UNITS = memory.data(512)

export function seed(): usize {
  return SEED
}

export function hash(): usize {
  return HASH
}

/** Hashes what identifies an event: its key, NUL and its id. The result is in `hash`. */
export function hashIdentity(keyStart: usize, keyEnd: usize, idStart: usize, idEnd: usize): void {
  const key = keyEnd - keyStart
  const id = idEnd - idStart
  memory.copy(UNITS, input + keyStart, key)
  store<u8>(UNITS + key, 0)
  memory.copy(UNITS + key + 1, input + idStart, id)
  hashAscii(UNITS, key + 1 + id, SEED)
}

/** Hashes a text of the frame, with seeds of zero. */
export function hashSpan(start: usize, end: usize): void {
  hashAscii(input + start, end - start, ZERO_SEED)
}

const C1: u32 = 0x239b961b
const C2: u32 = 0xab0e9789
const C3: u32 = 0x38b34ae5
const C4: u32 = 0xa1e38b93

function hashAscii(text: usize, length: usize, seeds: usize): void {
  let h1 = load<u32>(seeds)
  let h2 = load<u32>(seeds, 4)
  let h3 = load<u32>(seeds, 8)
  let h4 = load<u32>(seeds, 12)
  const whole = length & ~7
  for (let i: usize = 0; i < whole; i += 8) {
    // Bytes become units, and two units a word.
    const words = v128.load_ext<u8>(text + i)
    h1 ^= rotl<u32>(i32x4.extract_lane(words, 0) * C1, 15) * C2
    h1 = (rotl<u32>(h1, 19) + h2) * 5 + 0x561ccd1b
    h2 ^= rotl<u32>(i32x4.extract_lane(words, 1) * C2, 16) * C3
    h2 = (rotl<u32>(h2, 17) + h3) * 5 + 0x0bcaa747
    h3 ^= rotl<u32>(i32x4.extract_lane(words, 2) * C3, 17) * C4
    h3 = (rotl<u32>(h3, 15) + h4) * 5 + 0x96cd1c35
    h4 ^= rotl<u32>(i32x4.extract_lane(words, 3) * C4, 18) * C1
    h4 = (rotl<u32>(h4, 13) + h1) * 5 + 0x32ac3b17
  }
  if (whole < length) {
    const words = i16x8.extend_low_i8x16_u(i64x2.splat(load<u64>(text + whole) & restOf(length)))
    h4 ^= rotl<u32>(i32x4.extract_lane(words, 3) * C4, 18) * C1
    h3 ^= rotl<u32>(i32x4.extract_lane(words, 2) * C3, 17) * C4
    h2 ^= rotl<u32>(i32x4.extract_lane(words, 1) * C2, 16) * C3
    h1 ^= rotl<u32>(i32x4.extract_lane(words, 0) * C1, 15) * C2
  }
  const bytes = <u32>length * 2
  h1 ^= bytes
  h2 ^= bytes
  h3 ^= bytes
  h4 ^= bytes
  h1 += h2 + h3 + h4
  h2 += h1
  h3 += h1
  h4 += h1
  h1 = fmix(h1)
  h2 = fmix(h2)
  h3 = fmix(h3)
  h4 = fmix(h4)
  h1 += h2 + h3 + h4
  store<u32>(HASH, h1)
  store<u32>(HASH, h2 + h1, 4)
  store<u32>(HASH, h3 + h1, 8)
  store<u32>(HASH, h4 + h1, 12)
}

function fmix(h: u32): u32 {
  h ^= h >>> 16
  h *= 0x85ebca6b
  h ^= h >>> 13
  h *= 0xc2b2ae35
  return h ^ (h >>> 16)
}
