import type { EventLine } from '../event.ts'
import { readEventLine } from '../event-line.ts'
import { linesOfFrame } from '../frame-lines.ts'
import { frameScanner } from './frame-scanner.ts'

const NEWLINE = 0x0a

/** Reads the lines of one frame after the other. What it answers of a frame holds until the next one is opened. */
export class FrameReader {
  private data: Buffer = Buffer.alloc(0)
  private at = 0
  /** Newlines before `at`. */
  private line = 0
  private texts: string[] | undefined

  open(data: Uint8Array): void {
    this.data = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
    this.at = 0
    this.line = -1
    this.texts = undefined
  }

  /** The next line that is not empty, or why it is no event (see readEventLine); null behind the last one. */
  next(): EventLine | string | null {
    const { data } = this
    while (this.at < data.length) {
      this.line++
      if (data[this.at] === NEWLINE) {
        this.at++
        continue
      }
      const line = frameScanner.read(data, this.at)
      if (line) {
        this.at = line.end + 1
        return line
      }
      const end = data.indexOf(NEWLINE, this.at)
      this.at = end < 0 ? data.length : end + 1
      // A mark of the byte order alone is no text.
      const { text } = this
      if (text !== '') return readEventLine(text)
    }
    return null
  }

  /** Text of the line that was read last. */
  get text(): string {
    return this.lines()[this.line]
  }

  /** The whole frame. */
  lines(): string[] {
    this.texts ??= linesOfFrame(this.data)
    return this.texts
  }
}
