import { MOST_WEIGHT } from '../limits.ts'
import { exactWeight } from '../measures/weight.ts'
import { ABSENT, asked, NO_CODE, Properties, type PropertyName } from './properties.ts'
import { ScannedEvent, ScannedLine } from './scanned-line.ts'
import { ScannerMemory } from './scanner-memory.ts'

/** Words of a line's record, as wasm/scanner.ts leaves them. */
const [END, EVENT_START, EVENT_END, HEAD, SCHEMA, TIME, RECEIVED_AT] = [1, 2, 3, 4, 5, 6, 8]
const [TENANT, SOURCE, KEY, WEIGHT, ID, USER, ANONYMOUS, FLAGS, PROPERTIES] = [10, 12, 14, 16, 18, 20, 22, 24, 25]
const [NAME, COUNTRY, BROWSER, OS, DEVICE] = [27, 30, 33, 36, 39]
const RECORD = 42

/** Fields whose values may have codes: a property, or the word of a text in a record. */
export type CodedField = PropertyName | number
export const CODED_FIELDS: Readonly<Record<string, number>> = {
  name: NAME,
  country: COUNTRY,
  browser: BROWSER,
  os: OS,
  device: DEVICE,
}

const ONE = 0x31
const NO_FRAME: Buffer = Buffer.alloc(0)

/**
 * Reads lines of frames as a gateway writes them, and of these only what is asked for: JSON.parse would make every name
 * and value of an event of which metrics read a few. What it takes, and what it reads of it, is what readEventLine says;
 * where it is not sure it answers null, and that one is asked.
 *
 * Bytes are looked at by WebAssembly, sixteen at a time, in a copy of the frame. A whole batch of lines is scanned when
 * its first one is read.
 */
export class FrameScanner {
  private readonly memory = new ScannerMemory()
  private readonly properties = new Properties(this.memory)
  /** Whose bytes the memory holds. */
  private data = NO_FRAME
  /** Lines that are scanned: where the next of them begins, its record, and the end of the records. */
  private nextStart = 0
  private next = 0
  private last = 0
  /** What stands in the head of this number. */
  private head = 0
  private tenant = ''
  private source = ''
  private receivedAt = 0

  /** The line of a frame that begins at `start`. It reads its properties until the next one is read, and then all of itself. */
  read(data: Buffer, start: number): ScannedLine | null {
    if (data !== this.data) this.load(data)
    if (this.next === this.last || this.nextStart !== start) {
      this.next = 0
      this.properties.of = null
      this.last = this.memory.scan(start) * RECORD
      if (this.last === 0) return null
    }
    const record = this.next
    this.next += RECORD
    const line = this.lineOf(record)
    this.nextStart = this.memory.records[record + END] + 1
    return line
  }

  /**
   * A number for what a field of a line holds: equal values have equal ones, others have others. NO_CODE where it has
   * none, which is so of values that are neither short texts nor small numbers, and of lines before the last one. They
   * hold for as long as 2^31 new texts take to come in.
   */
  code({ e, record }: ScannedLine, field: CodedField): number {
    if (this.properties.of !== e) return NO_CODE
    if (typeof field !== 'number') return this.properties.code(field)
    const { memory } = this
    const at = record + field
    if (memory.records[at] === 0) return ABSENT
    const slot = memory.records[at + 2]
    return slot === 0 ? NO_CODE : memory.code(slot)
  }

  /** See hashIdentity. */
  hashIdentity(line: ScannedLine, seed: Uint32Array, out: Uint32Array): void {
    const { e, keyStart, keyEnd } = line
    if (e.data !== this.data) this.load(e.data)
    this.memory.hashIdentity(keyStart, keyEnd, e.idStart, e.idEnd, seed, out)
  }

  /** See memberHash. */
  memberHash(data: Buffer, start: number, end: number): number {
    if (data !== this.data) this.load(data)
    return this.memory.memberHash(start, end)
  }

  private load(data: Buffer): void {
    this.memory.pinAll(asked)
    this.memory.load(data)
    this.data = data
    this.next = 0
    this.last = 0
  }

  private lineOf(at: number): ScannedLine | null {
    const { data, memory } = this
    const { records } = memory
    const weight = this.weightOf(records[at + WEIGHT], records[at + WEIGHT + 1])
    if (weight === 0) return null
    if (records[at + HEAD] !== this.head) this.readHead(at)
    const e = new ScannedEvent(data, this, this.properties)
    e.name = this.textAt(at + NAME)!
    e.start = records[at + EVENT_START]
    e.end = records[at + EVENT_END]
    e.idStart = records[at + ID]
    e.idEnd = records[at + ID + 1]
    e.userStart = records[at + USER]
    e.userEnd = records[at + USER + 1]
    e.anonymousStart = records[at + ANONYMOUS]
    e.anonymousEnd = records[at + ANONYMOUS + 1]
    const line = new ScannedLine(e)
    line.record = at
    line.tenant = this.tenant
    line.source = this.source
    line.receivedAt = this.receivedAt
    line.time = memory.floats[(at + TIME) >> 1]
    line.keyStart = records[at + KEY]
    line.keyEnd = records[at + KEY + 1]
    line.weight = weight
    line.country = this.textAt(at + COUNTRY)
    line.browser = this.textAt(at + BROWSER)
    line.os = this.textAt(at + OS)
    line.device = this.textAt(at + DEVICE)
    line.schema = records[at + SCHEMA]
    line.end = records[at + END]
    line.isRow = records[at + FLAGS] === 0
    this.properties.select(data, records[at + PROPERTIES], records[at + PROPERTIES + 1], e)
    return line
  }

  private readHead(at: number): void {
    const { data } = this
    const { records, floats } = this.memory
    this.head = records[at + HEAD]
    this.tenant = data.toString('latin1', records[at + TENANT], records[at + TENANT + 1])
    this.source = data.toString('latin1', records[at + SOURCE], records[at + SOURCE + 1])
    this.receivedAt = floats[(at + RECEIVED_AT) >> 1]
  }

  /** 0: it is none. */
  private weightOf(start: number, end: number): number {
    const { data } = this
    if (end - start === 1 && data[start] === ONE) return 1
    const weight = Number(data.toString('latin1', start, end))
    return weight > 0 && weight <= MOST_WEIGHT ? exactWeight(weight) : 0
  }

  private textAt(at: number): string | undefined {
    const { data, memory } = this
    const { records } = memory
    const slot = records[at + 2]
    if (slot !== 0 && records[at] !== 0) return memory.text(slot)
    return records[at] === 0 ? undefined : data.toString('latin1', records[at], records[at + 1])
  }
}

/** One for all: a frame is read from its first line to its last before the next one is begun. Another order only costs. */
export const frameScanner = new FrameScanner()
