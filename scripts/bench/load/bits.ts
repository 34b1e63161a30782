/** A set of whole numbers from 0 on, a bit each: what is acknowledged of tens of millions of events takes megabytes. */
export class Bits {
  #bytes: Uint8Array

  constructor(bytes: Uint8Array = new Uint8Array(1_024)) {
    this.#bytes = bytes
  }

  /** Answers whether it is new. */
  add(number: number): boolean {
    const at = number >>> 3
    if (at >= this.#bytes.length) this.#grow(at + 1)
    const bit = 1 << (number & 7)
    const isNew = (this.#bytes[at] & bit) === 0
    this.#bytes[at] |= bit
    return isNew
  }

  has(number: number): boolean {
    return ((this.#bytes[number >>> 3] ?? 0) & (1 << (number & 7))) !== 0
  }

  count(): number {
    return this.countNotIn(new Bits())
  }

  /** How many of these are not in another set. */
  countNotIn(other: Bits): number {
    let count = 0
    for (let at = 0; at < this.#bytes.length; at++) count += ONES[this.#bytes[at] & ~(other.#bytes[at] ?? 0)]
    return count
  }

  /** Adds those of another set. */
  addAll(other: Bits): void {
    const bytes = other.bytes()
    if (bytes.length > this.#bytes.length) this.#grow(bytes.length)
    for (let at = 0; at < bytes.length; at++) this.#bytes[at] |= bytes[at]
  }

  /** For another process. */
  bytes(): Uint8Array {
    return this.#bytes
  }

  #grow(length: number): void {
    const larger = new Uint8Array(Math.max(length, 2 * this.#bytes.length))
    larger.set(this.#bytes)
    this.#bytes = larger
  }
}

/** Ones in each byte. */
const ONES = Uint8Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll('0', '').length)
