import fc from 'fast-check'
import { expect, it } from 'vitest'
import { whyNot } from './holds.ts'
import { findHighest } from './search.ts'

const FINE = {
  rate: 1_000,
  acceptedPerSecond: 995,
  refused: {},
  unanswered: 0,
  p99Ms: 200,
  p99ToOlapMs: 400,
  markers: { acknowledged: 10, refused: 0, skipped: 0, notPushed: 0, notStored: 0 },
  lag: { maxEvents: 500, endEvents: 100, growthPerSecond: 5, maxSeconds: 0.2 },
  books: {} as never,
}

it('says what keeps a rate from holding', () => {
  expect(whyNot(FINE)).toEqual([])
  const reasons = (change: object): string => whyNot({ ...FINE, ...change }).join()
  expect(reasons({ acceptedPerSecond: 980 })).toContain('980 events/s')
  expect(reasons({ refused: { OVERLOADED: 3 } })).toContain('OVERLOADED')
  expect(reasons({ unanswered: 2 })).toContain('no answer')
  expect(reasons({ p99Ms: 501 })).toContain('push')
  expect(reasons({ p99ToOlapMs: 501 })).toContain('SQL')
  expect(reasons({ markers: { ...FINE.markers, notStored: 1 } })).toContain('not seen')
  expect(reasons({ lag: { ...FINE.lag, growthPerSecond: 30 } })).toContain('grows')
  expect(reasons({ books: null })).toContain('archived')
})

it('finds the highest rate that holds to within 5 %, from above and from below', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 500, max: 200_000 }),
      fc.integer({ min: 500, max: 200_000 }),
      async (most, first) => {
        let tried = 0
        const found = await findHighest(first, 100, async (rate) => {
          tried++
          return rate <= most
        })
        expect(found).toBeLessThanOrEqual(most)
        expect(found * 1.06).toBeGreaterThan(most)
        expect(tried).toBeLessThan(25)
      },
    ),
  )
})

it('gives up where not even the lowest rate holds', async () => {
  expect(await findHighest(1_000, 100, async () => false)).toBe(0)
})
