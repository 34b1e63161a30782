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

export interface FrameLines {
  counted: RawLines
  repeated: RawLines
}

const NO_LINES = { lines: [], indexes: [] }

/** The frame's lines by what became of them; a frame that the settlement does not name counted wholly. */
export const readLines = ({ partition, outcomes }: Settlement, { sequence, kind, data }: LogMessage): FrameLines => {
  const none = { sequence, ...NO_LINES }
  if (kind !== 'events') return { counted: none, repeated: none }
  const all = linesOfFrame(data).filter((line) => line !== '')
  const text = outcomes[sequence]
  if (text === undefined) {
    return { counted: { sequence, lines: all, indexes: all.map((_, index) => index) }, repeated: none }
  }
  const verdicts = decodeOutcomes(text)
  if (verdicts.length !== all.length) throw new FrameMismatch(partition, sequence, all.length, verdicts.length)
  const linesOf = (outcome: Outcome): RawLines => {
    const indexes = verdicts.flatMap((verdict, index) => (verdict === outcome ? [index] : []))
    return { sequence, lines: indexes.map((index) => all[index]), indexes }
  }
  return { counted: linesOf('C'), repeated: linesOf('D') }
}
