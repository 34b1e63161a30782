import { Malformed } from './refusal.ts'

/** Primitive types of the protocol in their classic form: big-endian, lengths before what they count. */
export class WireReader {
  readonly #buffer: Buffer
  #at = 0

  constructor(buffer: Buffer) {
    this.#buffer = buffer
  }

  /** Bytes that have not been read. */
  get left(): number {
    return this.#buffer.length - this.#at
  }

  #take(bytes: number): number {
    if (bytes < 0 || bytes > this.left) throw new Malformed(`expected ${bytes} more bytes, found ${this.left}`)
    const at = this.#at
    this.#at += bytes
    return at
  }

  int8(): number {
    return this.#buffer.readInt8(this.#take(1))
  }

  int16(): number {
    return this.#buffer.readInt16BE(this.#take(2))
  }

  int32(): number {
    return this.#buffer.readInt32BE(this.#take(4))
  }

  /** Beyond 2^53 it is rounded: no offset and no time is there. */
  int64(): number {
    return Number(this.#buffer.readBigInt64BE(this.#take(8)))
  }

  bytes(length: number): Buffer {
    const at = this.#take(length)
    return this.#buffer.subarray(at, at + length)
  }

  nullableString(): string | null {
    const length = this.int16()
    return length < 0 ? null : this.bytes(length).toString()
  }

  string(): string {
    const text = this.nullableString()
    if (text === null) throw new Malformed('expected text, found null')
    return text
  }

  /** `least`: bytes of the smallest item. No count can make the reader work for what is not there. */
  nullableArray<T>(least: number, item: () => T): T[] | null {
    const count = this.int32()
    if (count < 0) return null
    if (count * least > this.left) throw new Malformed(`expected ${count} items, found ${this.left} bytes`)
    return Array.from({ length: count }, item)
  }

  array<T>(least: number, item: () => T): T[] {
    return this.nullableArray(least, item) ?? []
  }
}

const FIRST_PIECE_BYTES = 1_024
const PIECE_BYTES = 65_536
/** What is larger is not copied; many small ones would each be a part that the system is given. */
const MOST_COPIED_BYTES = 4_096

/** Writes the same types. */
export class WireWriter {
  readonly #parts: Buffer[] = []
  #piece = Buffer.allocUnsafe(FIRST_PIECE_BYTES)
  #at = 0
  #length = 0

  get length(): number {
    return this.#length
  }

  #room(bytes: number): number {
    if (this.#at + bytes > this.#piece.length) {
      this.#close()
      this.#piece = Buffer.allocUnsafe(Math.max(PIECE_BYTES, bytes))
    }
    const at = this.#at
    this.#at += bytes
    this.#length += bytes
    return at
  }

  #close(): void {
    if (this.#at > 0) this.#parts.push(this.#piece.subarray(0, this.#at))
    this.#piece = this.#piece.subarray(this.#at)
    this.#at = 0
  }

  int8(value: number): this {
    const at = this.#room(1)
    this.#piece.writeInt8(value, at)
    return this
  }

  bool(value: boolean): this {
    return this.int8(value ? 1 : 0)
  }

  int16(value: number): this {
    const at = this.#room(2)
    this.#piece.writeInt16BE(value, at)
    return this
  }

  int32(value: number): this {
    const at = this.#room(4)
    this.#piece.writeInt32BE(value, at)
    return this
  }

  int64(value: number): this {
    const at = this.#room(8)
    this.#piece.writeBigInt64BE(BigInt(value), at)
    return this
  }

  string(text: string | null): this {
    if (text === null) return this.int16(-1)
    const bytes = Buffer.from(text)
    return this.int16(bytes.length).append(bytes)
  }

  array<T>(items: readonly T[], item: (one: T) => void): this {
    this.int32(items.length)
    for (const one of items) item(one)
    return this
  }

  append(bytes: Buffer): this {
    if (bytes.length <= MOST_COPIED_BYTES) {
      const at = this.#room(bytes.length)
      bytes.copy(this.#piece, at)
      return this
    }
    this.#close()
    this.#parts.push(bytes)
    this.#length += bytes.length
    return this
  }

  parts(): Buffer[] {
    this.#close()
    return this.#parts
  }
}
