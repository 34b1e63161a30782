/** Columns of the place of a line in the log, as placed lines begin with them. */
export const PLACE_COLUMNS = { p: 'INTEGER', s: 'BIGINT', i: 'INTEGER' } as const

const [NEWLINE, OPEN, COMMA, ZERO] = [0x0a, 0x7b, 0x2c, 0x30]
const FIRST_BYTES = 16_384
/** Of an index, a comma and a newline. */
const MOST_BESIDE = 16

/**
 * Lines of the log on their way into DuckDB, newline-delimited: the place of each goes to the front of its own JSON
 * object, and nothing is parsed.
 */
export class PlacedLines {
  private buffer = Buffer.allocUnsafe(FIRST_BYTES)
  private used = 0
  private prefix = Buffer.alloc(0)

  /** The message that the next lines are of. */
  open(partition: number, sequence: number): void {
    this.prefix = Buffer.from(`{"p":${partition},"s":${sequence},"i":`)
  }

  /** Adds a line that stands at [start, end): an object with at least one member. */
  add(data: Buffer, index: number, start: number, end: number): void {
    const { prefix } = this
    this.reserve(prefix.length + MOST_BESIDE + end - start)
    const { buffer } = this
    buffer.set(prefix, this.used)
    let at = this.number(index, this.used + prefix.length)
    buffer[at++] = COMMA
    const first = data[start] === OPEN ? start : data.indexOf(OPEN, start)
    at += data.copy(buffer, at, first + 1, end)
    buffer[at++] = NEWLINE
    this.used = at
  }

  /** Adds all lines of a frame that are not empty. */
  addAll(data: Buffer): void {
    let index = 0
    for (let start = 0; start < data.length; ) {
      const newline = data.indexOf(NEWLINE, start)
      const end = newline < 0 ? data.length : newline
      if (end > start) this.add(data, index++, start, end)
      start = end + 1
    }
  }

  get length(): number {
    return this.used
  }

  /** What was added so far. */
  bytes(): Uint8Array {
    return this.buffer.subarray(0, this.used)
  }

  private number(value: number, at: number): number {
    const { buffer } = this
    if (value >= 1_000) return at + buffer.write(String(value), at, 'latin1')
    if (value >= 100) buffer[at++] = ZERO + Math.floor(value / 100)
    if (value >= 10) buffer[at++] = ZERO + (Math.floor(value / 10) % 10)
    buffer[at++] = ZERO + (value % 10)
    return at
  }

  private reserve(bytes: number): void {
    const wanted = this.used + bytes
    if (wanted <= this.buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(wanted, 2 * this.buffer.length))
    this.buffer.copy(larger, 0, 0, this.used)
    this.buffer = larger
  }
}
