/**
 * A cache of at most `size` entries that forgets the least recently used half at a time: two maps, no bookkeeping for
 * each hit. Safe against keys from outside, which may all differ.
 */
export const createBoundedCache = <V>(size: number) => {
  const half = Math.max(1, Math.floor(size / 2))
  let young = new Map<string, V>()
  let old = new Map<string, V>()

  const set = (key: string, value: V): V => {
    if (young.size >= half) {
      old = young
      young = new Map()
    }
    young.set(key, value)
    return value
  }

  /** The value under `key`, made by `make` when it is not there (any more). */
  const get = (key: string, make: (key: string) => V): V => {
    const hit = young.get(key)
    if (hit !== undefined || young.has(key)) return hit as V
    return old.has(key) ? set(key, old.get(key) as V) : set(key, make(key))
  }

  return { get, size: () => young.size + old.size }
}
