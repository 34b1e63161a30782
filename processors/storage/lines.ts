import type { RawLines } from '#processors/ports.ts'
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
  counted: RawLines
  repeated: RawLines
}

/** The frame's lines by what became of them, as the store takes them. */
export const readLines = (settlement: Settlement, message: LogMessage): FrameLines => {
  const { sequence } = message
  const { lines, verdicts } = settledLines(settlement, message)
  if (!verdicts) {
    const counted = { sequence, lines, indexes: lines.map((_, index) => index) }
    return { counted, repeated: { sequence, lines: [], indexes: [] } }
  }
  const linesOf = (outcome: Outcome): RawLines => {
    const indexes = verdicts.flatMap((verdict, index) => (verdict === outcome ? [index] : []))
    return { sequence, lines: indexes.map((index) => lines[index]), indexes }
  }
  return { counted: linesOf('C'), repeated: linesOf('D') }
}
