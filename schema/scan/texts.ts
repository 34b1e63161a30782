/** Texts that come again and again: names, countries, paths. A power of two. */
const SLOTS = 1_024
/** What is longer is hardly ever the same twice. */
const MOST_BYTES = 64

/** Whether these bytes are the text, which is ASCII. */
export const isAt = (data: Uint8Array, start: number, end: number, text: string): boolean => {
  if (end - start !== text.length) return false
  for (let i = 0; i < text.length; i++) if (data[start + i] !== text.charCodeAt(i)) return false
  return true
}

/**
 * Makes texts of bytes. One that was made before is given again, which costs less than a new one, and its hash is known:
 * texts are what maps are asked for.
 */
export class Texts {
  private readonly known: string[] = new Array(SLOTS).fill('')

  read(data: Buffer, start: number, end: number): string {
    if (end - start > MOST_BYTES) return data.toString('utf8', start, end)
    let hash = 0
    let bits = 0
    for (let at = start; at < end; at++) {
      const byte = data[at]
      bits |= byte
      hash = (Math.imul(hash, 31) + byte) | 0
    }
    if (bits >= 0x80) return data.toString('utf8', start, end)
    const slot = (hash ^ (hash >>> 10)) & (SLOTS - 1)
    const known = this.known[slot]
    if (isAt(data, start, end, known)) return known
    const text = data.toString('latin1', start, end)
    this.known[slot] = text
    return text
  }
}
