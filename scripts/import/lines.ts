import { isUtf8 } from 'node:buffer'

export interface Line {
  /** Place in the file, from 1, blank lines included. */
  number: number
  /** Without its end. Undefined when the line is longer than MAX_LINE_BYTES. */
  bytes: Buffer | undefined
  /** Bytes of the file up to and with this line. */
  offset: number
}

/** No event may be as long as this, whatever the format. */
export const MAX_LINE_BYTES = 1_000_000

const NEWLINE = 0x0a
const RETURN = 0x0d
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf])

/** Cuts bytes into lines at LF or CRLF, leaving out blank ones. A longer line than any event is never held. */
export async function* readLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<Line> {
  const cut = createCutter()
  for await (const chunk of chunks) {
    let from = 0
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
      const line = cut.finish(chunk.subarray(from, end), 1)
      if (line) yield line
      from = end + 1
    }
    cut.keep(chunk.subarray(from))
  }
  const last = cut.finish(Buffer.alloc(0), 0)
  if (last) yield last
}

const createCutter = () => {
  let parts: Buffer[] = []
  let held = 0
  let length = 0
  let number = 0
  let offset = 0
  const keep = (part: Buffer): void => {
    length += part.length
    if (part.length === 0 || length > MAX_LINE_BYTES) return
    parts.push(part)
    held += part.length
  }
  /** The line that ends with `part`; undefined when it is blank. */
  const finish = (part: Buffer, endBytes: number): Line | undefined => {
    keep(part)
    number++
    offset += length + endBytes
    const bytes = length > MAX_LINE_BYTES ? undefined : trim(parts.length === 1 ? parts[0] : Buffer.concat(parts, held))
    parts = []
    held = 0
    length = 0
    return bytes?.length === 0 ? undefined : { number, bytes, offset }
  }
  const trim = (bytes: Buffer): Buffer => {
    const from = number === 1 && bytes.subarray(0, 3).equals(BYTE_ORDER_MARK) ? 3 : 0
    return bytes.subarray(from, bytes.at(-1) === RETURN ? bytes.length - 1 : bytes.length)
  }
  return { keep, finish }
}

/** UTF-8 where the bytes are that, else one character a byte: either way every byte can be told from the text. */
export const decodeLine = (bytes: Buffer): string => bytes.toString(isUtf8(bytes) ? 'utf8' : 'latin1')
