import fc from 'fast-check'
import { expect, test } from 'vitest'
import { IdentityTable } from './identities.ts'

const hashOf = (n: number) => Uint32Array.of(n % 7, n, n * 31, 9)

test('it answers as a plain map of identity to minute does', () => {
  const step = fc.record({ id: fc.nat(300), minute: fc.integer({ min: 1, max: 100 }), before: fc.nat(100) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 2_000 }), (steps) => {
      const table = new IdentityTable()
      const plain = new Map<number, number>()
      let before = 0
      for (const { id, minute, before: wanted } of steps) {
        // The first live minute never goes back.
        before = Math.max(before, wanted - 50)
        const known = plain.get(id)
        const fresh = known === undefined || known < before
        if (fresh) plain.set(id, minute)
        expect(table.add(hashOf(id), minute, before)).toBe(fresh)
      }
    }),
  )
})

test('what it gives to a segment makes the same table again', () => {
  const table = new IdentityTable()
  for (let i = 0; i < 1_000; i++) table.add(hashOf(i), 5, 0)
  const copy = new IdentityTable()
  copy.restore(table.takeFresh())
  expect(copy.size).toBe(1_000)
  expect(copy.has(hashOf(999), 5)).toBe(true)
  expect(copy.has(hashOf(999), 6)).toBe(false)
  expect(table.takeFresh()).toHaveLength(0)
})
