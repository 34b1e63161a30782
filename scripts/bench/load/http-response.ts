/** One answer of HTTP/1.1: only what servers of this bench send. */
export interface HttpAnswer {
  status: number
  body: string
}

const HEADERS_END = '\r\n\r\n'
const LENGTH = /\r\ncontent-length: *(\d+)/i
const CHUNKED = /\r\ntransfer-encoding: *chunked/i
/** "HTTP/1.1 200" */
const STATUS_AT = 9

/** Bodies of chunks, one behind the other; null while the last one is not there. */
const readChunks = (text: string, from: number): string | null => {
  let body = ''
  for (let at = from; ; ) {
    const lineEnd = text.indexOf('\r\n', at)
    if (lineEnd < 0) return null
    const size = Number.parseInt(text.slice(at, lineEnd), 16)
    const end = lineEnd + 2 + size
    if (text.length < end + 2) return null
    if (size === 0) return body
    body += text.slice(lineEnd + 2, end)
    at = end + 2
  }
}

/** Reads a whole answer (RFC 9112) out of what has come so far, as latin1; null while some of it is missing. */
export const readHttpAnswer = (text: string): HttpAnswer | null => {
  const headersEnd = text.indexOf(HEADERS_END)
  if (headersEnd < 0) return null
  const headers = text.slice(0, headersEnd)
  const status = Number(headers.slice(STATUS_AT, STATUS_AT + 3))
  const from = headersEnd + HEADERS_END.length
  if (CHUNKED.test(headers)) {
    const body = readChunks(text, from)
    return body === null ? null : { status, body }
  }
  const length = Number(LENGTH.exec(headers)?.[1] ?? 0)
  return text.length < from + length ? null : { status, body: text.slice(from, from + length) }
}
