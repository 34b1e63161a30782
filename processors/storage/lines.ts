import { isUtf8 } from 'node:buffer'
import type { LogLines, RawEvents, RawLines } from '#processors/ports.ts'
import { decodeOutcomes, type Outcome, type Settlement } from '#schema/checkpoint.ts'
import type { LogMessage } from '#schema/frame.ts'
import { linesOfFrame } from '#schema/frame-lines.ts'

/** A frame has another number of events than its settlement says: neither can be believed. */
export class FrameMismatch extends Error {
  constructor(partition: number, sequence: number, events: number, settled: number) {
    super(`partition ${partition}: frame ${sequence} has ${events} events, its settlement speaks of ${settled}`)
    this.name = 'FrameMismatch'
  }
}

/** Lines of a frame with what became of each; none where every one counted. */
interface SettledLines {
  lines: string[]
  verdicts: Outcome[] | null
}

/** What became of the lines of a frame; null where every one counted. */
export const verdictsOf = ({ outcomes }: Settlement, sequence: number): Outcome[] | null => {
  const text = outcomes[sequence]
  return text === undefined ? null : decodeOutcomes(text)
}

/** The lines of a message; a frame that the settlement does not name counted wholly. Throws FrameMismatch. */
export const settledLines = (settlement: Settlement, { sequence, kind, data }: LogMessage): SettledLines => {
  if (kind !== 'events') return { lines: [], verdicts: null }
  const lines = linesOfFrame(data).filter((line) => line !== '')
  const verdicts = verdictsOf(settlement, sequence)
  if (verdicts && verdicts.length !== lines.length) {
    throw new FrameMismatch(settlement.partition, sequence, lines.length, verdicts.length)
  }
  return { lines, verdicts }
}

export interface FrameLines {
  counted: RawEvents
  repeated: RawLines
}

/** Lines of one outcome, as text. */
const linesWith = ({ lines, verdicts }: SettledLines, sequence: number, outcome: Outcome): RawLines => {
  const indexes = lines.flatMap((_, index) => ((verdicts?.[index] ?? 'C') === outcome ? [index] : []))
  return { sequence, lines: indexes.map((index) => lines[index]), indexes }
}

const NEWLINE = 0x0a
const MARK = 0xef

/** Whether its text says the same as its bytes: a mark of byte order is none, and what is no UTF-8 becomes another text. */
export const isText = (data: Uint8Array): boolean => data[0] !== MARK && isUtf8(data)

/** Calls back with the place of each line that is not empty; answers how many there are. */
const eachLine = (data: Uint8Array, found: (index: number, start: number, end: number) => void): number => {
  let index = 0
  for (let start = 0; start < data.length; ) {
    const newline = data.indexOf(NEWLINE, start)
    const end = newline < 0 ? data.length : newline
    if (end > start) found(index++, start, end)
    start = end + 1
  }
  return index
}

/** A mark of byte order at the start of a line is text of it. */
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** The frame's lines by what became of them, as the store takes them. Throws FrameMismatch. */
export const readLines = (settlement: Settlement, message: LogMessage): FrameLines => {
  const { sequence, kind, data } = message
  if (kind !== 'events' || !isText(data)) {
    const settled = settledLines(settlement, message)
    return { counted: linesWith(settled, sequence, 'C'), repeated: linesWith(settled, sequence, 'D') }
  }
  const verdicts = verdictsOf(settlement, sequence)
  const counted: LogLines = { sequence, data, indexes: [], starts: [], ends: [] }
  const repeated: RawLines = { sequence, lines: [], indexes: [] }
  const lines = eachLine(data, (index, start, end) => {
    const verdict = verdicts?.[index] ?? 'C'
    if (verdict === 'C') {
      counted.indexes.push(index)
      counted.starts.push(start)
      counted.ends.push(end)
    } else if (verdict === 'D') {
      repeated.indexes.push(index)
      repeated.lines.push(decoder.decode(data.subarray(start, end)))
    }
  })
  if (verdicts && verdicts.length !== lines) {
    throw new FrameMismatch(settlement.partition, sequence, lines, verdicts.length)
  }
  return { counted, repeated }
}
