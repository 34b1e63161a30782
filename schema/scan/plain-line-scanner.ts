import { NOT_PLAIN, QUOTE } from './json.ts'
import { LineScanner, SESSION, TIME_SENT, VERSION } from './line-scanner.ts'
import type { ScannedEvent, ScannedLine } from './scanned-line.ts'

const [ZERO, NINE] = [0x30, 0x39]
/** So many always fit an integer of 32 bits. */
const MOST_VERSION_DIGITS = 9

/**
 * Reads lines that a row of the archive says wholly (see toEventRow): known members alone, the time as text, the session
 * as the line's key, and no number or text that is written in another way than JSON.stringify does.
 */
export class PlainLineScanner extends LineScanner {
  private isPlain = true
  /** Place of the session's text; 0: it was not sent. */
  private sessionStart = 0
  private sessionEnd = 0

  /** Null where it is not sure: the line is read in the usual way then. */
  override read(start: number): ScannedLine | null {
    this.isPlain = true
    this.sessionStart = 0
    const line = super.read(start)
    return line && this.isPlain && this.isKey(line) ? line : null
  }

  protected override member(e: ScannedEvent, member: number, at: number): number {
    const { data } = this
    const end = super.member(e, member, at)
    if (end === NOT_PLAIN) return end
    if (member === SESSION) {
      this.sessionStart = at + 1
      this.sessionEnd = end - 1
    } else if (member === TIME_SENT) this.isPlain &&= data[at] === QUOTE
    else if (member === VERSION) this.isPlain &&= this.isVersion(at, end)
    return end
  }

  private isVersion(start: number, end: number): boolean {
    const { data } = this
    if (end - start > MOST_VERSION_DIGITS) return false
    for (let at = start; at < end; at++) if (data[at] < ZERO || data[at] > NINE) return false
    return true
  }

  private isKey({ keyStart, keyEnd }: ScannedLine): boolean {
    const { data, sessionStart, sessionEnd } = this
    if (sessionStart === 0) return true
    if (sessionEnd - sessionStart !== keyEnd - keyStart) return false
    for (let i = keyEnd - keyStart - 1; i >= 0; i--) if (data[sessionStart + i] !== data[keyStart + i]) return false
    return true
  }
}
