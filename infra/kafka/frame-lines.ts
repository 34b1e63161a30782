import type { StoredMessage } from '#infra/nats/broker.ts'
import { kindOf } from '#infra/nats/log.ts'
import { decodeOutcomes, type Settlement } from '#schema/checkpoint.ts'

const NEWLINE = 0x0a
const MARK = [0xef, 0xbb, 0xbf]

/** A mark of byte order at the start of a frame is none of its text. */
const withoutMark = (data: Uint8Array): Uint8Array =>
  MARK.every((byte, i) => data[i] === byte) ? data.subarray(MARK.length) : data

/** The lines that are not empty, as bytes: what linesOfFrame gives as text. */
export const linesOf = (data: Uint8Array): Uint8Array[] => {
  const lines: Uint8Array[] = []
  for (let start = 0; start < data.length; ) {
    const newline = data.indexOf(NEWLINE, start)
    const end = newline < 0 ? data.length : newline
    if (end > start) lines.push(data.subarray(start, end))
    start = end + 1
  }
  return lines
}

/** Null where there is no line. */
const joined = (lines: readonly Uint8Array[]): Uint8Array | null => {
  if (lines.length === 0) return null
  const all = Buffer.allocUnsafe(lines.reduce((sum, line) => sum + line.length + 1, -1))
  let at = 0
  for (const line of lines) {
    all.set(line, at)
    at += line.length + 1
    if (at < all.length) all[at - 1] = NEWLINE
  }
  return all
}

/**
 * The lines of a frame that counted. One that the settlement does not name counted wholly and stays as it is. Throws when
 * the two speak of different numbers of lines: neither can be believed.
 */
export const renderFrame = (message: StoredMessage, { partition, outcomes }: Settlement): Uint8Array | null => {
  if (kindOf(message) !== 'events') return null
  const text = withoutMark(message.data)
  const verdicts = outcomes[message.seq]
  if (verdicts === undefined) return text.some((byte) => byte !== NEWLINE) ? text : null
  const [lines, counted] = [linesOf(text), decodeOutcomes(verdicts)]
  if (lines.length !== counted.length) {
    throw new Error(
      `partition ${partition}: frame ${message.seq} has ${lines.length} events, its settlement speaks of ${counted.length}`,
    )
  }
  return joined(lines.filter((_, i) => counted[i] === 'C'))
}

/** Whether a line is one of the tenant's. The last one of two names counts, as everywhere that JSON is read. */
const isOf = (line: Uint8Array, tenant: string): boolean => {
  try {
    return (
      (JSON.parse(Buffer.from(line.buffer, line.byteOffset, line.length).toString()) as { tenant?: unknown }).tenant ===
      tenant
    )
  } catch {
    return false
  }
}

/** The lines of a record's value that are the tenant's; null where there is none. */
export const linesOfTenant = (value: Uint8Array, tenant: string): Uint8Array | null => {
  const lines = linesOf(value)
  const own = lines.filter((line) => isOf(line, tenant))
  return own.length === lines.length && own.length > 0 ? value : joined(own)
}
