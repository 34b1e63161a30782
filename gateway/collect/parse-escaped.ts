import { isDigit, JsonTokens } from './json-tokens.ts'

const QUOTE = 34
const MINUS = 45
const COMMA = 44
const OPEN_BRACKET = 91
const CLOSE_BRACKET = 93
const OPEN_BRACE = 123
const CLOSE_BRACE = 125

const isSpace = (c: number): boolean => c === 32 || c === 10 || c === 13 || c === 9

/**
 * Parses JSON text that has escapes in its keys. JSON.parse may not: V8 takes such a key for a backslash when any object
 * of the same shape that it parsed before had a key of a backslash there (nodejs/node#63785), so what one client sends
 * would change another one's keys. Only the scalars are left to it here. The text must have been scanned: it is valid,
 * and not deep.
 */
export const parseEscaped = (text: string): unknown => {
  const tokens = new JsonTokens(text)
  let at = 0
  const skipSpace = (): number => {
    while (isSpace(text.charCodeAt(at))) at++
    return text.charCodeAt(at)
  }
  const scalar = (): unknown => {
    const start = at
    const c = text.charCodeAt(at)
    if (c === QUOTE) tokens.string(at)
    else if (c === MINUS || isDigit(c)) tokens.number(at)
    else tokens.literal(at)
    at = tokens.end
    return JSON.parse(text.slice(start, at))
  }
  /** Calls `item` for each until the closing bracket, which is passed. */
  const each = (close: number, item: () => void): void => {
    at++
    while (skipSpace() !== close) {
      if (text.charCodeAt(at) === COMMA) at++
      else item()
    }
    at++
  }
  const value = (): unknown => {
    const c = skipSpace()
    if (c === OPEN_BRACKET) {
      const items: unknown[] = []
      each(CLOSE_BRACKET, () => items.push(value()))
      return items
    }
    if (c !== OPEN_BRACE) return scalar()
    const object: Record<string, unknown> = {}
    each(CLOSE_BRACE, () => {
      const key = scalar() as string
      skipSpace()
      at++
      // As JSON.parse: a key named __proto__ is one like any other.
      Object.defineProperty(object, key, { value: value(), enumerable: true, configurable: true, writable: true })
    })
    return object
  }
  return value()
}
