import fc from 'fast-check'
import { expect, test } from 'vitest'
import { linesOfFrame } from './frame-lines.ts'

const whole = (data: Uint8Array): string[] => new TextDecoder().decode(data).split('\n')

/** What stands at the ends of lines and pieces: newlines, marks, characters of several bytes and parts of them. */
const token = fc.constantFrom(
  [0x0a],
  [0x0d, 0x0a],
  [0xef, 0xbb, 0xbf],
  [0xe6, 0x97, 0xa5],
  [0xf0, 0x9f, 0x98],
  [0xc3],
  [0xff],
  [0x7b, 0x7d],
)
const stretch = fc.record({ tokens: fc.array(token, { maxLength: 5 }), fill: fc.nat(70_000) })

test('the lines of any bytes are those of their text as a whole', () => {
  fc.assert(
    fc.property(fc.array(stretch, { maxLength: 6 }), (stretches) => {
      const data = Uint8Array.from(
        stretches.flatMap(({ tokens, fill }) => [...tokens.flat(), ...Array(fill).fill(0x61)]),
      )
      expect(linesOfFrame(data)).toEqual(whole(data))
    }),
  )
})

test.each([65_535, 65_536, 65_537])('a line that ends about the end of a piece, at %d, is one line', (length) => {
  const data = Buffer.from(`${'x'.repeat(length)}\n\ufeff${'y'.repeat(length)}\n`)
  expect(linesOfFrame(data)).toEqual(whole(data))
})
