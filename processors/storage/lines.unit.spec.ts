import fc from 'fast-check'
import { expect, it } from 'vitest'
import { encodeOutcomes, type Outcome, type Settlement } from '#schema/checkpoint.ts'
import { textOf } from '../ports.ts'
import { FrameMismatch, readLines, settledLines } from './lines.ts'

const settlementOf = (outcomes: Outcome[] | null): Settlement =>
  ({ partition: 0, outcomes: outcomes ? { 7: encodeOutcomes(outcomes) } : {} }) as unknown as Settlement
const frameOf = (data: Uint8Array) => ({ sequence: 7, storedAt: 0, kind: 'events' as const, data })

/** What stands in frames, and what should not: empty lines, marks of byte order, half a character. */
const piece = fc.constantFrom([0x0a], [0x7b, 0x7d], [0xef, 0xbb, 0xbf], [0xc3, 0xbc], [0xc3], [0x61])
const outcome = fc.constantFrom<Outcome>('C', 'D', 'L', 'I')

it('takes the lines that the text of a frame has, by what became of them', () => {
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 12 }),
      fc.boolean(),
      fc.infiniteStream(outcome),
      (pieces, named, stream) => {
        const frame = frameOf(Uint8Array.from(pieces.flat()))
        const { lines } = settledLines(settlementOf(null), frame)
        const outcomes = lines.map(() => stream.next().value as Outcome)
        const { counted, repeated } = readLines(settlementOf(named ? outcomes : null), frame)
        const withOutcome = (wanted: Outcome) => {
          const indexes = lines.flatMap((_, i) => ((named ? outcomes[i] : 'C') === wanted ? [i] : []))
          return { sequence: 7, indexes, lines: indexes.map((i) => lines[i]) }
        }
        expect(textOf(counted)).toEqual(withOutcome('C'))
        expect(repeated).toEqual(withOutcome('D'))
      },
    ),
  )
})

it('believes neither a frame nor its settlement where their numbers of lines differ', () => {
  const frame = frameOf(new TextEncoder().encode('{}\n{}'))
  expect(() => readLines(settlementOf(['C']), frame)).toThrow(FrameMismatch)
})
