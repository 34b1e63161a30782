/** Longer documents have their events inside and never come twice. */
const MAX_CHARS = 16_384
const MAX_DOCUMENTS = 500

/** What was made of short texts, the least recently used going first. */
export const createDocumentCache = <T>() => {
  const entries = new Map<string, T>()
  return {
    get(text: string): T | undefined {
      const known = entries.get(text)
      if (known === undefined) return undefined
      entries.delete(text)
      entries.set(text, known)
      return known
    },
    set(text: string, value: T): void {
      if (text.length > MAX_CHARS) return
      entries.set(text, value)
      if (entries.size > MAX_DOCUMENTS) entries.delete(entries.keys().next().value!)
    },
  }
}
