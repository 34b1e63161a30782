/** Longer documents have their events inside and never come twice. */
const MAX_CHARS = 16_384
const MAX_DOCUMENTS = 500
/** A parsed document takes up to 200 bytes for each character, so that all of them are within 100 MB whoever sent them. */
const MAX_CHARS_IN_ALL = 500_000

/** What was made of short texts, the least recently used going first. */
export const createDocumentCache = <T>() => {
  const entries = new Map<string, T>()
  let chars = 0

  const forget = (text: string): void => {
    if (entries.delete(text)) chars -= text.length
  }

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
      forget(text)
      entries.set(text, value)
      chars += text.length
      while (entries.size > MAX_DOCUMENTS || chars > MAX_CHARS_IN_ALL) forget(entries.keys().next().value!)
    },
  }
}
