import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compareText } from './text-order.ts'

test('orders as bytes of UTF-8 do', () => {
  const text = fc.string({ unit: 'binary', maxLength: 4 })
  fc.assert(
    fc.property(text, text, (a, b) => {
      expect(Math.sign(compareText(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)))
    }),
    {
      numRuns: 5_000,
      examples: [
        ['😀', '\uffff'],
        ['\ud7ff', '\ue000'],
        ['', 'a'],
        ['a\u0000', 'a'],
      ],
    },
  )
})
