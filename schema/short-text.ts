import { LIMITS } from './limits.ts'

/** Never between the halves of a surrogate pair: the rest would not be valid text. */
const cut = (text: string): string => {
  const head = text.slice(0, LIMITS.dimensionChars)
  return head.isWellFormed() ? head : head.slice(0, -1)
}

/** A value as a dimension or a counted value has it: numbers and booleans as text, long text cut; null for all else. */
export const shortText = (value: unknown): string | null => {
  if (typeof value === 'string') return value.length > LIMITS.dimensionChars ? cut(value) : value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  return null
}
