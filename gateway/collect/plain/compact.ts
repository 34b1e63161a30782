const QUOTE = 0x22
const BACKSLASH = 0x5c
const NEWLINE = 0x0a

export const isSpace = (byte: number): boolean => byte === 0x20 || byte === 0x09 || byte === 0x0d || byte === NEWLINE

/** What may stand beside a space without the two tokens around it becoming one. */
const STRUCTURE = Uint8Array.from({ length: 256 }, (_, byte) =>
  '{}[],:"\n'.includes(String.fromCharCode(byte)) ? 1 : 0,
)

/**
 * JSON text without the space between its tokens, as most encoders write none and Python's does. Newlines stay where
 * they separate events. A space that keeps two tokens apart stays, so that what was no JSON is none afterwards.
 */
export const compact = (data: Buffer, keepNewlines: boolean): Buffer => {
  const out = Buffer.allocUnsafe(data.length)
  let length = 0
  let at = 0
  while (at < data.length) {
    const byte = data[at]
    if (byte === QUOTE) {
      const end = endOfText(data, at)
      while (at < end) out[length++] = data[at++]
      continue
    }
    if (!isSpace(byte) || (keepNewlines && byte === NEWLINE)) {
      out[length++] = byte
      at++
      continue
    }
    while (at < data.length && isSpace(data[at]) && !(keepNewlines && data[at] === NEWLINE)) at++
    const apart = length === 0 || at === data.length || STRUCTURE[out[length - 1]] === 1 || STRUCTURE[data[at]] === 1
    if (!apart) out[length++] = 0x20
  }
  return out.subarray(0, length)
}

/** Behind the closing quote, or the end of the data. */
const endOfText = (data: Buffer, open: number): number => {
  let at = open + 1
  while (at < data.length && data[at] !== QUOTE) at += data[at] === BACKSLASH ? 2 : 1
  return Math.min(at + 1, data.length)
}
