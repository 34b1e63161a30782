import { createWeightedCache } from './weighted-cache.ts'

/** Longer documents have their events inside and never come twice. */
const MAX_CHARS = 16_384
/** A parsed document takes up to 200 bytes for each character, so that all of them are within 100 MB whoever sent them. */
const LIMITS = { entries: 500, weight: 500_000 }

/** What was made of short texts, the least recently used going first. `weight`: characters of all of them together. */
export const createDocumentCache = <T>(weight = LIMITS.weight) => {
  const cache = createWeightedCache<T>({ ...LIMITS, weight }, ({ length }) => length)
  return {
    get: cache.get,
    set(text: string, value: T): void {
      if (text.length <= MAX_CHARS) cache.set(text, value)
    },
  }
}
