import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { HeavyNames } from './heavy-names.ts'

const MOST = 20
/** Names by their number, the small ones often. */
const names = fc.array(
  fc.oneof({ weight: 2, arbitrary: fc.nat(3) }, { weight: 1, arbitrary: fc.integer({ min: 4, max: 10_000 }) }),
  { minLength: 300, maxLength: 800 },
)

describe('names that a window has no room for', () => {
  test('whoever has more than twice what would prove it is found, and nobody who has less than that', () => {
    fc.assert(
      fc.property(names, (stream) => {
        const heavy = new HeavyNames(MOST)
        const found = new Set<number>()
        const weights = new Map<number, number>()
        let fallen = 0
        for (const name of stream) {
          if (found.has(name)) continue
          const weight = (weights.get(name) ?? 0) + 1
          if (heavy.proves(name, 1)) {
            found.add(name)
            expect(weight).toBeGreaterThanOrEqual(Math.max(16, ((fallen + 1) * 2) / MOST))
            continue
          }
          weights.set(name, weight)
          fallen++
          expect(weight).toBeLessThan(Math.max(16 + (fallen * 2) / MOST, (fallen * 4) / MOST) + 1)
        }
      }),
    )
  })

  test('what it says of its changes adds up to the same, wherever it is cut and however that is merged', () => {
    fc.assert(
      fc.property(names, fc.nat(299), fc.boolean(), (stream, cut, halves) => {
        const [whole, first, second] = [new HeavyNames(MOST), new HeavyNames(MOST), new HeavyNames(MOST)]
        const before = stream.slice(0, cut).map((name) => [whole.proves(name, 1), first.proves(name, 1)])
        expect(before.every(([a, b]) => a === b)).toBe(true)
        const { weight, counts } = first.take()
        const middle = halves ? Math.floor(counts.length / 2) : counts.length
        second.restore({ weight: 0, counts: counts.slice(middle) })
        second.restore({ weight, counts: counts.slice(0, middle) })
        for (const name of stream.slice(cut)) expect(second.proves(name, 1)).toBe(whole.proves(name, 1))
      }),
    )
  })

  test('it is bounded, and costs a checkpoint only what changed', () => {
    const heavy = new HeavyNames(MOST)
    for (let name = 0; name < 10_000; name++) heavy.proves(name, 1)
    expect(heavy.pending).toBeLessThanOrEqual(MOST)
    expect(heavy.take().counts.length).toBeLessThanOrEqual(MOST)
    expect([heavy.pending, heavy.take()]).toEqual([0, { weight: 0, counts: [] }])
  })
})
