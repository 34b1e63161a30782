import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compactState, measureOf, mergeState } from '../measures.ts'
import { packedRank, RANKS } from './hyperloglog.ts'
import { deltasOf, merged, stateOf, type Weighed } from './testing.ts'
import { EXACT_MEMBERS } from './uniques.ts'

const measure = measureOf({ kind: 'UNIQUES', field: 'a' })
const members = (count: number, from = 0): string[] => Array.from({ length: count }, (_, i) => `member ${from + i}`)
const weighed = (values: readonly unknown[]): Weighed[] => values.map((value) => ({ value, weight: 1 }))
const uniques = (values: readonly unknown[]): number => measure.value(stateOf(measure, values))!

describe('uniques', () => {
  it(`are exact up to ${EXACT_MEMBERS}, over however many partitions they are spread`, () => {
    for (const count of [0, 1, 2, EXACT_MEMBERS - 1, EXACT_MEMBERS]) expect(uniques(members(count))).toBe(count)
    const parts = Array.from({ length: 8 }, (_, p) => members(EXACT_MEMBERS).filter((__, i) => i % 8 >= p))
    expect(measure.value(merged(parts.flatMap((part) => deltasOf(measure, [weighed(part)]))))).toBe(EXACT_MEMBERS)
  })

  it('take text, numbers and objects by what they are, and nothing for null', () => {
    expect(uniques(['a', 'a', 1, '1', null, undefined, { a: 1 }, { a: 1 }, [1], true])).toBe(5)
  })

  it.each([EXACT_MEMBERS + 1, 3_000, 20_000, 100_000])(
    'of %i members have the standard error of the registers',
    (count) => {
      const errors = Array.from({ length: 25 }, (_, i) => uniques(members(count, i * count)) / count - 1)
      const squares = errors.reduce((sum, error) => sum + error ** 2, 0) / errors.length
      const mean = errors.reduce((sum, error) => sum + error, 0) / errors.length
      const bound = 1.04 / Math.sqrt(2 ** 14)
      expect(Math.sqrt(squares)).toBeLessThan(bound * 1.25)
      expect(Math.abs(mean)).toBeLessThan(bound * 0.6)
      expect(Math.max(...errors.map(Math.abs))).toBeLessThan(0.03)
    },
  )

  it('of a million members are within 2 %', () => {
    expect(Math.abs(uniques(members(1_000_000)) / 1_000_000 - 1)).toBeLessThan(0.02)
  }, 60_000)

  it('follow from the set of members alone, however it is spread over partitions and checkpoints', () => {
    const sets = fc.record({
      count: fc.integer({ min: 1, max: 3 * EXACT_MEMBERS }),
      partitions: fc.integer({ min: 1, max: 5 }),
      checkpoints: fc.integer({ min: 1, max: 4 }),
      overlap: fc.integer({ min: 0, max: 2 }),
    })
    fc.assert(
      fc.property(sets, ({ count, partitions, checkpoints, overlap }) => {
        const all = members(count)
        const deltas = Array.from({ length: partitions }, (_, p) => {
          const mine = all.filter((__, i) => (i + p) % partitions <= overlap || i % partitions === p)
          const size = Math.ceil(mine.length / checkpoints)
          return deltasOf(
            measure,
            Array.from({ length: checkpoints }, (__, c) => weighed(mine.slice(c * size, (c + 1) * size))),
          )
        })
        expect(measure.value(merged(deltas.flat()))).toBe(uniques(all))
      }),
      { numRuns: 50 },
    )
  })

  it('forgetting names changes no value, also of what is merged later', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 2 * EXACT_MEMBERS }), { minLength: 1, maxLength: 5 }),
        (counts) => {
          const states = counts.map((count, i) => stateOf(measure, members(count, i * 500)))
          const [plain, compact] = [measure.empty(), measure.empty()]
          for (const state of states) {
            mergeState(plain, state)
            mergeState(compact, state)
            compactState(compact)
            expect(measure.value(compact)).toBe(measure.value(plain))
            expect(compact.sketch?.uniques?.members.size).toBeLessThanOrEqual(EXACT_MEMBERS)
          }
        },
      ),
      { numRuns: 30 },
    )
  })

  it('a fold that begins in the middle of a window leads to the same value', () => {
    const [first, second] = deltasOf(measure, [weighed(members(2_000)), weighed(members(2_000, 1_000))])
    const [anew] = deltasOf(measure, [weighed(members(2_000, 1_000))])
    expect(anew).not.toEqual(second)
    expect(measure.value(merged([first, anew]))).toBe(measure.value(merged([first, second])))
  })

  it('a delta has only new members, and only registers that rose', () => {
    const [, second, third, fourth] = deltasOf(measure, [
      weighed(members(EXACT_MEMBERS - 1)),
      weighed(members(EXACT_MEMBERS + 1)),
      weighed(members(EXACT_MEMBERS + 1)),
      weighed(members(100_000)),
    ])
    expect([second.members?.length, second.registers?.length]).toEqual([1, 1])
    expect(third).toEqual({ n: EXACT_MEMBERS + 1 })
    expect(fourth.members).toBeUndefined()
    expect(fourth.registers!.length).toBeLessThanOrEqual(2 ** 14)
  })
})

describe('registers', () => {
  it('take the first 14 bits of a hash of 53, and the zeros before the first 1 in the others', () => {
    const member = (bits: string): number => Number.parseInt(bits.padEnd(53, '0'), 2)
    const cases: [bits: string, index: number, rank: number][] = [
      ['', 0, 40],
      ['1', 2 ** 13, 40],
      ['11111111111111', 2 ** 14 - 1, 40],
      [`${'0'.repeat(13)}1`, 1, 40],
      [`${'0'.repeat(14)}1`, 0, 1],
      [`${'0'.repeat(20)}1`, 0, 7],
      [`${'0'.repeat(21)}1`, 0, 8],
      [`${'0'.repeat(52)}1`, 0, 39],
      ['1'.repeat(53), 2 ** 14 - 1, 1],
    ]
    for (const [bits, index, rank] of cases) expect(packedRank(member(bits)), bits).toBe(index * RANKS + rank)
  })
})
