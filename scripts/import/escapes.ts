import { isUtf8 } from 'node:buffer'

const ESCAPE = /\\(["\\]|x[0-9A-Fa-f]{2}(?:\\x[0-9A-Fa-f]{2})*)/g
const CONTROL = /\p{Cc}/u

/**
 * Undoes the escapes of Apache's log module: \" and \\, and \xhh where the bytes are text in UTF-8. Bytes of any other
 * encoding and control characters (\x16, \n) stay as they are written, so that nothing is guessed and nothing lost.
 */
export const unescapeField = (field: string): string =>
  field.includes('\\')
    ? field.replace(ESCAPE, (written, escaped: string) => (escaped[0] === 'x' ? decodeBytes(written) : escaped))
    : field

const decodeBytes = (written: string): string => {
  const bytes = Buffer.from(written.replaceAll('\\x', ''), 'hex')
  if (!isUtf8(bytes)) return written
  const text = bytes.toString('utf8')
  return CONTROL.test(text) ? written : text
}
