import { isDeepStrictEqual } from 'node:util'
import { plain } from './python.ts'

/** Two readers that do not agree, or one that breaks. */
export interface Finding {
  check: string
  detail: string
}

const MOST_CHARS = 600
export const shown = (value: unknown): string => {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing')
  return text.length > MOST_CHARS ? `${text.slice(0, MOST_CHARS)}… (${text.length})` : text
}

/** The same as JSON: numbers as doubles, -0 as 0. */
export const isSame = (a: unknown, b: unknown): boolean => isDeepStrictEqual(plain(a), plain(b))
