/** RFC 3339 in UTC with milliseconds. */
export const BLANK_TIME = '2026-01-01T00:00:00.000Z'

/** Seconds whose text is kept: events are up to half an hour old. */
const KEPT = 4_096
const ZERO = 0x30

/** Writes times over blank ones; the text of a second is made once. */
export const createTimeWriter = () => {
  const seconds = new Float64Array(KEPT)
  const texts: Buffer[] = Array.from({ length: KEPT }, () => Buffer.from(BLANK_TIME))
  return (bytes: Buffer, at: number, timeMs: number): void => {
    const second = Math.floor(timeMs / 1_000)
    const place = second % KEPT
    if (seconds[place] !== second) {
      seconds[place] = second
      texts[place] = Buffer.from(new Date(second * 1_000).toISOString())
    }
    const text = texts[place]
    for (let i = 0; i < 19; i++) bytes[at + i] = text[i]
    const ms = timeMs - 1_000 * second
    bytes[at + 20] = ZERO + Math.floor(ms / 100)
    bytes[at + 21] = ZERO + (Math.floor(ms / 10) % 10)
    bytes[at + 22] = ZERO + (ms % 10)
  }
}
