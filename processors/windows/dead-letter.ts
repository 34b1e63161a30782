import type { LateEvent } from '#schema/checkpoint.ts'
import type { EventLine } from '#schema/event.ts'
import { readEventLine } from '#schema/event-line.ts'
import type { LogMessage } from '#schema/frame.ts'
import { minuteStart } from '#schema/ledger.ts'
import { ownersOf } from './tally.ts'

/** An event that does not count, with its cause. */
export const deadLetter = (
  message: LogMessage,
  index: number,
  code: LateEvent['code'],
  reason: string,
  watermark: number | null,
  line: EventLine | null,
): LateEvent => ({
  sequence: message.sequence,
  index,
  code,
  message: reason,
  watermark,
  line,
})

/** Enough to recognise it; a checkpoint's message must hold it whatever it is. */
const EXCERPT_CHARS = 16_384
const excerpt = (text: string): string => (text.length > EXCERPT_CHARS ? `${text.slice(0, EXCERPT_CHARS)}…` : text)

const decoder = new TextDecoder()

/** A control record that cannot be applied: it changes nothing, and operators see it. */
export const deadControl = (message: LogMessage, why: string): LateEvent => ({
  ...deadLetter(message, 0, 'CONTROL', `the control record cannot be applied: ${why}`, null, null),
  receivedAt: message.storedAt,
  raw: excerpt(decoder.decode(message.data)),
})

/** A line of a frame that is no event, and why. */
export interface UnreadableLine {
  /** Place in the frame. */
  index: number
  text: string
  reason: string
}

const readable = (lines: readonly string[]): EventLine[] =>
  lines.flatMap((line) => {
    const event = readEventLine(line)
    return typeof event === 'string' ? [] : event
  })

/** Dead letters of the unreadable lines of a frame: they name no tenant, its headers say whose they are. */
export const deadLines = (
  unreadable: readonly UnreadableLine[],
  frame: () => readonly string[],
  message: LogMessage,
) => {
  if (unreadable.length === 0) return []
  const owners = ownersOf(unreadable.length, readable(frame()), message.received ?? [], message.storedAt)
  return unreadable.map(({ index, text, reason }, i) => {
    const { tenant, minute, certain } = owners[i]
    const why = `the line is no event that this version can read: ${reason}`
    const told = certain ? why : `${why}; whose it is is not certain, so its text is not shown`
    const event: LateEvent = {
      ...deadLetter(message, index, 'INVALID', told, null, null),
      tenant,
      receivedAt: minuteStart(minute),
      ...(certain ? { raw: excerpt(text) } : {}),
    }
    return { tenant, minute, event }
  })
}
