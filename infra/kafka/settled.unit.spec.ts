import fc from 'fast-check'
import { expect, test } from 'vitest'
import { wantedParts } from './settled.ts'

const spans = ({ from, to }: { from: number; to: number }): number[] =>
  Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i)

test('what is wanted of a range is what is in it, from the offset on, and not missing', () => {
  const range = fc
    .tuple(fc.nat(20), fc.integer({ min: -1, max: 8 }))
    .map(([from, length]) => ({ from, to: from + length }))
  fc.assert(
    fc.property(range, fc.array(range), fc.nat(30), (whole, gaps, offset) => {
      const missing = gaps.filter(({ from, to }) => from <= to).sort((a, b) => a.from - b.from)
      const gone = new Set(missing.flatMap(spans))
      const wanted = spans(whole).filter((seq) => seq >= offset && !gone.has(seq))
      expect(wantedParts(whole, missing, offset).flatMap(spans)).toEqual(wanted)
    }),
  )
})
