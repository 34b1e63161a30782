import type { Line } from './line-writer.ts'

const NEWLINE = 0x0a
/** Room for a small event; frames of more grow. */
const FIRST_BYTES = 1_024

/** Lines of an open frame as bytes, one behind the other. */
export class FrameBuffer {
  lines = 0
  /** Of the lines, with a newline between two of them. */
  bytes = 0
  private data: Buffer

  /** `expected`: how many bytes there will be, so that it need not grow. */
  constructor(expected: number) {
    // Not out of the platform's pool: who holds on to a frame would hold on to what strangers put there.
    this.data = Buffer.allocUnsafeSlow(Math.max(FIRST_BYTES, expected))
  }

  /** `most`: bytes of the line and its newline, or more. */
  append(line: string | Line, most: number): void {
    this.reserve(this.bytes + most)
    let at = this.bytes
    if (this.lines > 0) this.data[at++] = NEWLINE
    this.bytes = typeof line === 'string' ? at + this.data.write(line, at) : line.writeTo(this.data, at)
    this.lines++
  }

  whole(): Buffer {
    return this.data.subarray(0, this.bytes)
  }

  private reserve(bytes: number): void {
    if (bytes <= this.data.length) return
    const more = Buffer.allocUnsafeSlow(Math.max(bytes, 2 * this.data.length))
    this.data.copy(more, 0, 0, this.bytes)
    this.data = more
  }
}
