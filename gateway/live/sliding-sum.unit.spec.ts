import fc from 'fast-check'
import { expect, test } from 'vitest'
import { measureOf, stateFromJson } from '#schema/measures.ts'
import type { Sum } from './cells.ts'
import { createSlidingSum } from './sliding-sum.ts'

const measure = measureOf({ kind: 'COUNT' })
const sumOf = (n: number): Sum => ({ state: stateFromJson({ n }), events: n, correctedAt: n, revision: 1 })
const shown = (sum: Sum | undefined) => sum && [sum.state.n, sum.events, sum.correctedAt, sum.revision]

const steps = fc.array(fc.record({ added: fc.nat(4), skipped: fc.nat(3), value: fc.nat(100) }), { maxLength: 60 })

test('a sliding sum is the sum of what is in the window, wherever it starts', () => {
  fc.assert(
    fc.property(steps, (moves) => {
      const sliding = createSlidingSum(measure)
      const cells: { index: number; value: number }[] = []
      let from = 0
      for (const { added, skipped, value } of moves) {
        for (let i = 0; i < added; i++) {
          const index = (cells.at(-1)?.index ?? 0) + 1 + skipped
          cells.push({ index, value: value + i })
          sliding.add(index, sumOf(value + i))
        }
        from += skipped
        const inside = cells.filter(({ index }) => index >= from).map(({ value: n }) => n)
        const total = inside.reduce((sum, n) => sum + n, 0)
        const expected = inside.length > 0 ? [total, total, Math.max(...inside), inside.length] : undefined
        expect(shown(sliding.from(from))).toEqual(expected)
      }
    }),
  )
})

test('what was added is never written to', () => {
  const sliding = createSlidingSum(measure)
  const cells = [1, 2, 3, 4].map(sumOf)
  for (const [index, cell] of cells.slice(0, 3).entries()) sliding.add(index, cell)
  sliding.from(0)
  sliding.add(3, cells[3])
  expect(sliding.from(1)?.events).toBe(9)
  expect(sliding.from(3)?.events).toBe(4)
  expect(cells.map(shown)).toEqual([1, 2, 3, 4].map((n) => [n, n, n, 1]))
})
