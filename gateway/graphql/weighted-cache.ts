interface CacheLimits {
  entries: number
  /** Of all entries together. */
  weight: number
}

/** A cache by text, the least recently used going first. Bounded whatever comes from outside. */
export const createWeightedCache = <T>(limits: CacheLimits, weightOf: (text: string, value: T) => number) => {
  const entries = new Map<string, { value: T; weight: number }>()
  let weight = 0

  const forget = (text: string): void => {
    weight -= entries.get(text)?.weight ?? 0
    entries.delete(text)
  }

  return {
    get(text: string): T | undefined {
      const known = entries.get(text)
      if (known === undefined) return undefined
      entries.delete(text)
      entries.set(text, known)
      return known.value
    },
    set(text: string, value: T): void {
      forget(text)
      const entry = { value, weight: weightOf(text, value) }
      entries.set(text, entry)
      weight += entry.weight
      while (entries.size > limits.entries || weight > limits.weight) forget(entries.keys().next().value!)
    },
    forget,
    clear(): void {
      entries.clear()
      weight = 0
    },
  }
}
