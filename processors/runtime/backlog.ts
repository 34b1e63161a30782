/** Events are reckoned for a byte as they were in what was read in so many looks. */
const LOOKS = 10
/** About what the broker stores of a frame beside its lines: headers, subject, and what it needs itself. */
const BESIDE_LINES = 250

/** What a log holds. */
export interface LogExtent {
  first: number
  last: number
  /** As the broker stores them, headers included. */
  bytes: number
}

/** Where the log ended at one look. */
interface Mark {
  /** Milliseconds since 1970. */
  at: number
  last: number
  /** Bytes that were stored up to there, since some moment. */
  stored: number
}

/** What was read of it: up to which message, and how much in all since the take-over. */
export interface ReadSoFar {
  sequence: number
  /** Of lines. */
  bytes: number
  events: number
}

export interface Backlog {
  /** Events that were not read: of the size of those that were. */
  events: number
  /** Since when, at least, messages are there that were not read, milliseconds since 1970; undefined: there are none. */
  since: number | undefined
}

const meanBytes = ({ first, last, bytes }: LogExtent): number => (last >= first ? bytes / (last - first + 1) : 0)

/**
 * What of a partition's log waits to be read, look by look. Frames are as full as gateways have events to put into them,
 * and where events are shed they become small at once: so what waits is reckoned in bytes and not in frames.
 */
export const createBacklog = () => {
  /** The first is read wholly, the others are not. */
  const marks: Mark[] = []
  const reads: { bytes: number; events: number }[] = []
  let before: LogExtent | undefined
  let eventsPerByte = 0

  const note = (extent: LogExtent, lastRead: number, now: number): void => {
    if (before === undefined) {
      marks.push({ at: now, last: Math.min(lastRead, extent.last), stored: 0 })
      before = {
        ...extent,
        last: marks[0].last,
        bytes: extent.bytes - meanBytes(extent) * (extent.last - marks[0].last),
      }
    }
    const newest = marks[marks.length - 1]
    if (extent.last > newest.last) {
      const expired = (extent.first - before.first) * meanBytes(before)
      const arrived = Math.max(0, extent.bytes - before.bytes + expired)
      marks.push({ at: now, last: extent.last, stored: newest.stored + arrived })
    }
    before = extent
    while (marks.length > 1 && marks[1].last <= lastRead) marks.shift()
  }

  const storedUpTo = (lastRead: number): number => {
    const [from, to] = marks
    if (to === undefined) return from.stored
    const part = Math.max(0, lastRead - from.last) / (to.last - from.last)
    return from.stored + part * (to.stored - from.stored)
  }

  return {
    /** `now` in milliseconds since 1970. */
    look(extent: LogExtent, { sequence, bytes, events }: ReadSoFar, now: number): Backlog {
      note(extent, sequence, now)
      reads.push({ bytes, events })
      if (reads.length > LOOKS) reads.shift()
      if (bytes > reads[0].bytes) eventsPerByte = (events - reads[0].events) / (bytes - reads[0].bytes)
      const stored = marks[marks.length - 1].stored - storedUpTo(sequence)
      const lines = Math.max(0, stored - (extent.last - sequence) * BESIDE_LINES)
      return { events: Math.round(lines * eventsPerByte), since: marks[1]?.at }
    },
  }
}
