import { parseTime } from '#schema/time.ts'

const [DASH, COLON, POINT, LETTER_T, LETTER_Z, ZERO] = [0x2d, 0x3a, 0x2e, 0x54, 0x5a, 0x30]
const DATE_CHARS = 10

/** Two digits, or NaN. */
const two = (data: Uint8Array, at: number): number => {
  const [tens, ones] = [data[at] - ZERO, data[at + 1] - ZERO]
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN
}

/**
 * Reads times as most clients write them, 2026-01-31T12:00:00Z with milliseconds or without: the date is that of the
 * event before, as a rule. Of any other form it answers NaN, and parseTime is asked.
 */
export class PlainTimes {
  private readonly date = new Uint8Array(DATE_CHARS)
  private dateMs = Number.NaN

  read(data: Buffer, start: number, end: number): number {
    const isWhole = end - start === 20
    if (!isWhole && end - start !== 24) return Number.NaN
    const at = start + DATE_CHARS
    const isForm =
      data[at] === LETTER_T && data[at + 3] === COLON && data[at + 6] === COLON && data[end - 1] === LETTER_Z
    if (!isForm) return Number.NaN
    const [hour, minute, second] = [two(data, at + 1), two(data, at + 4), two(data, at + 7)]
    const ms = isWhole ? 0 : data[at + 9] === POINT ? two(data, at + 10) * 10 + data[at + 12] - ZERO : Number.NaN
    // Also of NaN.
    if (!(hour < 24 && minute < 60 && second < 60 && ms < 1_000)) return Number.NaN
    if (!isWhole && !(data[at + 12] >= ZERO && data[at + 12] <= ZERO + 9)) return Number.NaN
    return this.midnight(data, start) + ((hour * 60 + minute) * 60 + second) * 1_000 + ms
  }

  private midnight(data: Buffer, start: number): number {
    const { date } = this
    let same = 0
    while (same < DATE_CHARS && data[start + same] === date[same]) same++
    if (same === DATE_CHARS) return this.dateMs
    if (data[start + 4] !== DASH) return Number.NaN
    const text = data.toString('latin1', start, start + DATE_CHARS)
    data.copy(date, 0, start, start + DATE_CHARS)
    this.dateMs = parseTime(`${text}T00:00:00Z`) ?? Number.NaN
    return this.dateMs
  }
}
