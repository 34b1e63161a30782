import { isDigit, JsonTokens } from './json-tokens.ts'
import { SeenKeys, unescapeSlice } from './seen-keys.ts'

/** Keys and indexes from the root. */
export type JsonPath = (string | number)[]

export type ProblemKind =
  | 'SYNTAX'
  | 'DUPLICATE_KEY'
  | 'BACKSLASH_KEY'
  | 'LONE_SURROGATE'
  | 'NUMBER_TOO_LARGE'
  | 'TOO_DEEP'

export interface Problem {
  kind: ProblemKind
  /** Cut at the deepest level that is allowed. */
  path: JsonPath
  /** Index into the text, in UTF-16 code units. */
  offset: number
  /** What was expected and what came. */
  message: string
}

export interface ScanOptions {
  /** Containers that may be open at once; a scalar has depth 0. */
  maxDepth: number
  /** How many path entries name a unit; only the first problem of each unit is told. Default 0: the whole text. */
  unit?: number
  /** Told of keys that are written with escapes: see parseEscaped. */
  onEscapedKey?: () => void
}

/**
 * Finds what JSON.parse hides and other parsers refuse: duplicate keys (the last one silently wins), lone surrogates,
 * numbers beyond a double, nesting that overflows a stack. RFC 8259 (sections 4, 6, 8.2, 9) leaves these to the reader,
 * and DuckDB or Jackson stop at lines that V8 takes.
 *
 * Answers problems in the order of the text, none for a clean one. There is a SYNTAX problem, always the last, exactly
 * when JSON.parse throws. One pass without recursion, linear in the length of the text whatever it holds.
 */
export const scanJson = (text: string, options: ScanOptions): Problem[] => new Scanner(text, options).run()

const QUOTE = 34
const COMMA = 44
const MINUS = 45
const COLON = 58
const OPEN_BRACKET = 91
const CLOSE_BRACKET = 93
const OPEN_BRACE = 123
const CLOSE_BRACE = 125
const DELETE = 127

const VALUE = 0
const FIRST_VALUE = 1
const KEY = 2
const FIRST_KEY = 3
const AFTER = 4

const BACKSLASH = 'expected no backslash in a key: some readers take other keys for it'
const LONE_SURROGATE = 'expected Unicode text, found half of a surrogate pair'

/** One open container, up to the deepest that is allowed. */
class Level {
  isObject = false
  index = 0
  /** The current key, between its quotes. */
  keyStart = 0
  keyEnd = 0
  keyEscaped = false
  /** The current key unescaped, once a path needed it: unescaping it for each problem would be quadratic. */
  name: string | undefined
  readonly seen: SeenKeys
  constructor(text: string) {
    this.seen = new SeenKeys(text)
  }
}

class Scanner {
  private readonly text: string
  private readonly maxDepth: number
  private readonly unit: number
  private readonly onEscapedKey: (() => void) | undefined
  private readonly problems: Problem[] = []
  private readonly levels: Level[] = []
  /** Whether each container beyond maxDepth is an object. */
  private readonly beyond: boolean[] = []
  private readonly tokens: JsonTokens
  private depth = 0
  private at = 0
  private state = VALUE
  private failed = false
  /** The present unit has its problem already. */
  private told = false
  constructor(text: string, options: ScanOptions) {
    this.text = text
    this.tokens = new JsonTokens(text)
    this.maxDepth = options.maxDepth
    this.unit = options.unit ?? 0
    this.onEscapedKey = options.onEscapedKey
  }

  run(): Problem[] {
    while (!this.failed) {
      const c = this.skipSpace()
      if (this.state === AFTER) {
        if (this.depth === 0) {
          if (this.at < this.text.length) this.fail('the end of the text')
          break
        }
        this.afterValue(c)
      } else if (this.state >= KEY) this.key(c)
      else this.value(c)
    }
    return this.problems
  }

  private skipSpace(): number {
    const { text } = this
    let c = text.charCodeAt(this.at)
    while (c === 32 || c === 10 || c === 13 || c === 9) c = text.charCodeAt(++this.at)
    return c
  }

  private afterValue(c: number): void {
    const object =
      this.depth > this.maxDepth ? this.beyond[this.beyond.length - 1] : this.levels[this.depth - 1].isObject
    if (c === COMMA) {
      this.at++
      this.state = object ? KEY : VALUE
      if (!object && this.depth <= this.maxDepth) this.nextElement()
    } else if (c === (object ? CLOSE_BRACE : CLOSE_BRACKET)) this.close()
    else this.fail(object ? "',' or '}'" : "',' or ']'")
  }

  private nextElement(): void {
    this.levels[this.depth - 1].index++
    if (this.depth <= this.unit) this.told = false
  }

  private value(c: number): void {
    if (c === OPEN_BRACE || c === OPEN_BRACKET) this.open(c === OPEN_BRACE)
    else if (c === CLOSE_BRACKET && this.state === FIRST_VALUE) this.close()
    else this.scalar(c)
  }

  private scalar(c: number): void {
    const { tokens, at } = this
    this.state = AFTER
    if (c === QUOTE) {
      tokens.string(at)
      if (tokens.loneAt >= 0) this.tell('LONE_SURROGATE', tokens.loneAt, LONE_SURROGATE)
    } else if (c === MINUS || isDigit(c)) {
      tokens.number(at)
      if (tokens.infinite) this.tellInfinite(at, tokens.end)
    } else tokens.literal(at)
    this.passToken()
  }

  private tellInfinite(start: number, end: number): void {
    this.tell('NUMBER_TOO_LARGE', start, `expected a number within ±1.8e308, found ${excerpt(this.text, start, end)}`)
  }

  private passToken(): void {
    this.at = this.tokens.end
    if (this.tokens.expected !== null) this.fail(this.tokens.expected)
  }

  private open(isObject: boolean): void {
    this.state = isObject ? FIRST_KEY : FIRST_VALUE
    if (this.depth >= this.maxDepth) {
      if (this.depth === this.maxDepth) {
        this.tell('TOO_DEEP', this.at, `expected at most ${this.maxDepth} levels of nesting, there are more`)
      }
      this.beyond.push(isObject)
    } else {
      this.levels[this.depth] ??= new Level(this.text)
      const level = this.levels[this.depth]
      level.isObject = isObject
      level.index = 0
      level.seen.clear()
    }
    this.depth++
    this.at++
  }

  private close(): void {
    if (this.depth > this.maxDepth) this.beyond.pop()
    this.depth--
    this.at++
    this.state = AFTER
  }

  private key(c: number): void {
    if (c === QUOTE) {
      const start = this.at + 1
      this.tokens.string(this.at)
      this.passToken()
      if (this.failed) return
      if (this.depth <= this.maxDepth) this.noteKey(start, this.at - 1)
      if (this.skipSpace() !== COLON) this.fail("':'")
      this.at++
      this.state = VALUE
    } else if (this.state !== FIRST_KEY) this.fail('a key in double quotes')
    else if (c === CLOSE_BRACE) this.close()
    else this.fail("a key in double quotes or '}'")
  }

  private noteKey(start: number, end: number): void {
    const { loneAt, escaped } = this.tokens
    const level = this.levels[this.depth - 1]
    level.keyStart = start
    level.keyEnd = end
    level.keyEscaped = escaped
    level.name = undefined
    if (this.depth <= this.unit) this.told = false
    if (escaped) this.noteEscapedKey(level)
    if (loneAt >= 0) this.tell('LONE_SURROGATE', loneAt, LONE_SURROGATE)
    if (!level.seen.add(start, end, escaped))
      this.tell('DUPLICATE_KEY', start, 'expected each key once, it comes twice')
  }

  private noteEscapedKey(level: Level): void {
    this.onEscapedKey?.()
    level.name = unescapeSlice(this.text, level.keyStart, level.keyEnd, true)
    if (level.name.includes('\\')) this.tell('BACKSLASH_KEY', level.keyStart, BACKSLASH)
  }

  private fail(expected: string): void {
    const { text, at } = this
    this.failed = true
    const found = at >= text.length ? 'the text ends' : `found ${excerpt(text, at, at + 1)}`
    const message = `expected ${expected}, ${found} at ${place(text, at)}`
    this.problems.push({ kind: 'SYNTAX', path: this.path(), offset: at, message })
  }

  private tell(kind: ProblemKind, offset: number, message: string): void {
    if (this.told) return
    this.told = true
    this.problems.push({ kind, path: this.path(), offset, message })
  }

  private path(): JsonPath {
    const path: JsonPath = []
    for (let i = 0; i < this.depth && i < this.maxDepth; i++) {
      const level = this.levels[i]
      if (level.isObject) level.name ??= unescapeSlice(this.text, level.keyStart, level.keyEnd, level.keyEscaped)
      path.push(level.isObject ? level.name! : level.index)
    }
    return path
  }
}

const excerpt = (text: string, start: number, end: number): string => {
  const c = text.charCodeAt(start)
  if (c < 32 || c >= DELETE) return `U+${text.codePointAt(start)!.toString(16).toUpperCase().padStart(4, '0')}`
  return end - start > 24 ? `${text.slice(start, start + 24)}…` : text.slice(start, end)
}

/** Line and column, both from 1; the line only where there are several. */
const place = (text: string, at: number): string => {
  if (!text.includes('\n')) return `column ${at + 1}`
  let line = 1
  let lineStart = 0
  for (let i = text.indexOf('\n'); i >= 0 && i < at; i = text.indexOf('\n', i + 1)) {
    line++
    lineStart = i + 1
  }
  return `line ${line}, column ${at - lineStart + 1}`
}
