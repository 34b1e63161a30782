/**
 * So much of a frame becomes text at a time. A longer string does not fit the young generation of V8's heap (from about
 * 128 KB on): it would be allocated apart, which takes several times as long.
 */
const PIECE_BYTES = 65_536
const NEWLINE = 0x0a

const first = new TextDecoder()
/** Only the mark at the start of a frame is none of its text. */
const further = new TextDecoder('utf-8', { ignoreBOM: true })

/** Where the piece that begins at `start` ends: at a line's end, which no character of UTF-8 contains. */
const endOfPiece = (data: Uint8Array, start: number): number => {
  if (data.length - start <= PIECE_BYTES) return data.length
  const before = data.lastIndexOf(NEWLINE, start + PIECE_BYTES)
  if (before >= start) return before
  const after = data.indexOf(NEWLINE, start + PIECE_BYTES)
  return after < 0 ? data.length : after
}

/** The lines of a frame: what its text as a whole has between newlines, empty ones included. */
export const linesOfFrame = (data: Uint8Array): string[] => {
  let end = endOfPiece(data, 0)
  const lines = first.decode(data.subarray(0, end)).split('\n')
  while (end < data.length) {
    const start = end + 1
    end = endOfPiece(data, start)
    for (const line of further.decode(data.subarray(start, end)).split('\n')) lines.push(line)
  }
  return lines
}
