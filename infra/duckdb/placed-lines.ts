import type { RawEvents } from '#processors/ports.ts'

/** Columns of a placed line beside `e`, the client's part: its place in the log, and what the server says. */
export const SERVER_COLUMNS = {
  p: 'INTEGER',
  s: 'BIGINT',
  i: 'INTEGER',
  tenant: 'VARCHAR',
  source: 'VARCHAR',
  receivedAt: 'BIGINT',
  time: 'BIGINT',
  key: 'VARCHAR',
  weight: 'DOUBLE',
  country: 'VARCHAR',
  browser: 'VARCHAR',
  os: 'VARCHAR',
  device: 'VARCHAR',
  schema: 'INTEGER',
} as const

const [NEWLINE, OPEN, COMMA, ZERO] = [0x0a, 0x7b, 0x2c, 0x30]
const FIRST_BYTES = 16_384
/** Of an index, a comma and a newline. */
const MOST_BESIDE = 16

const behindBrace = (data: Buffer, start: number, end: number): number => {
  const brace = data[start] === OPEN ? start : data.indexOf(OPEN, start)
  return brace < 0 || brace >= end ? start : brace + 1
}

/**
 * Lines of the log on their way into DuckDB, newline-delimited: the place of each goes to the front of its own JSON
 * object, and nothing is parsed.
 */
export class PlacedLines {
  private buffer: Buffer
  private used = 0
  private prefix = Buffer.alloc(0)

  /** `bytes`: how many are about to come. */
  constructor(bytes = FIRST_BYTES) {
    this.buffer = Buffer.allocUnsafe(bytes)
  }

  /** Adds lines of a message, objects with at least one member each. */
  addEvents(partition: number, events: RawEvents): void {
    this.prefix = Buffer.from(`{"p":${partition},"s":${events.sequence},"i":`)
    const { indexes } = events
    if ('lines' in events) {
      for (const [i, line] of events.lines.entries()) {
        const data = Buffer.from(line)
        this.add(data, indexes[i], 0, data.length)
      }
      return
    }
    const { starts, ends } = events
    const data = Buffer.from(events.data.buffer, events.data.byteOffset, events.data.byteLength)
    for (let i = 0; i < indexes.length; i++) this.add(data, indexes[i], starts[i], ends[i])
  }

  /** Adds a line that stands at [start, end). */
  private add(data: Buffer, index: number, start: number, end: number): void {
    const { prefix } = this
    this.reserve(prefix.length + MOST_BESIDE + end - start)
    const { buffer } = this
    buffer.set(prefix, this.used)
    let at = this.number(index, this.used + prefix.length)
    buffer[at++] = COMMA
    at += data.copy(buffer, at, behindBrace(data, start, end), end)
    buffer[at++] = NEWLINE
    this.used = at
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
