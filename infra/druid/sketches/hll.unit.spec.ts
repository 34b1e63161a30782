import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { memberHash } from '#schema/hash.ts'
import { packedRank } from '#schema/measures/hyperloglog.ts'
import { countUniques, EXACT_MEMBERS } from '#schema/measures/uniques.ts'
import { stateFromJson } from '#schema/measures.ts'
import { couponOfMember, memberOfCoupon, packedOfCoupon } from './coupon.ts'
import { decodeHll, encodeHll } from './hll.ts'

const anyMember = fc.oneof(
  fc.maxSafeNat(),
  // Few bits set: high ranks.
  fc.tuple(fc.nat(2 ** 14 - 1), fc.nat(2 ** 14)).map(([index, rest]) => index * 2 ** 39 + rest),
)
const people = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, i) => memberHash(`person ${from + i}`))
const registersOf = (json: { members?: number[]; registers?: number[] }): number[] => {
  const uniques = stateFromJson(json).sketch?.uniques
  if (!uniques) return []
  const all = new Map<number, number>()
  const packed = uniques.members
    .list()
    .map(packedRank)
    .concat(uniques.registers?.packed() ?? [])
  for (const one of packed) all.set(one >> 6, Math.max(all.get(one >> 6) ?? 0, one & 63))
  return [...all].map(([index, rank]) => index * 64 + rank).sort((a, b) => a - b)
}
const count = (json: { members?: number[]; registers?: number[] }): number => {
  const uniques = stateFromJson(json).sketch?.uniques
  return uniques ? countUniques(uniques) : 0
}

describe('coupons', () => {
  it('have the register and the rank of their member', () => {
    fc.assert(fc.property(anyMember, (member) => packedOfCoupon(couponOfMember(member)) === packedRank(member)))
  })

  it('are 32 bits, and never 0, which is an empty place', () => {
    const isGood = (coupon: number) => coupon > 0 && coupon < 2 ** 32 && Number.isInteger(coupon)
    fc.assert(fc.property(anyMember, (member) => isGood(couponOfMember(member))))
  })

  it('stand for a member that has the same coupon', () => {
    fc.assert(
      fc.property(anyMember, (member) => {
        const coupon = couponOfMember(member)
        expect(couponOfMember(memberOfCoupon(coupon))).toBe(coupon)
        expect(Number.isSafeInteger(memberOfCoupon(coupon))).toBe(true)
      }),
    )
  })

  it('tell a thousand members apart, but for one in 500 sets or so', () => {
    const sets = Array.from({ length: 200 }, (_, i) => new Set(people(i * 1_000, (i + 1) * 1_000).map(couponOfMember)))
    const lost = sets.map(({ size }) => 1_000 - size)
    expect(lost.filter((few) => few > 0).length).toBeLessThan(8)
    expect(Math.max(...lost)).toBeLessThanOrEqual(1)
  })
})

describe('an HLL sketch', () => {
  it.each([0, 1, 7, 8, 24, 25, 1_000, 1_001, 1_536, 1_537, 40_000])(
    'of %i members keeps what they count and their registers',
    (size) => {
      const members = people(0, size)
      const back = decodeHll(encodeHll({ members }))
      expect(registersOf(back)).toEqual(registersOf({ members }))
      expect(count(back)).toBe(count({ members }))
      expect(back.members?.length ?? 0).toBe(size <= EXACT_MEMBERS ? size : 0)
    },
  )

  it('takes members and registers alike', () => {
    const registers = people(500, 5_000).map(packedRank)
    const uniques = { members: people(0, 1_000), registers }
    const back = decodeHll(encodeHll(uniques))
    expect(registersOf(back)).toEqual(registersOf(uniques))
    expect(count(back)).toBe(count(uniques))
  })

  it.each([
    ['nothing', ''],
    ['text', Buffer.from('no sketch at all').toString('base64')],
    ['other registers', Buffer.from([2, 1, 7, 12, 3, 8, 0, 8]).toString('base64')],
    ['a cut list', Buffer.from([2, 1, 7, 14, 3, 8, 3, 8, 1, 0, 0, 4]).toString('base64')],
    ['a cut set', Buffer.from([3, 1, 7, 14, 5, 8, 0, 9, 9, 0, 0, 0, 1, 0, 0, 4]).toString('base64')],
    ['half a byte a register', Buffer.from([10, 1, 7, 14, 0, 8, 0, 2, ...Array(9_000).fill(0)]).toString('base64')],
    ['cut registers', Buffer.from([10, 1, 7, 14, 0, 8, 0, 10, ...Array(9_000).fill(0)]).toString('base64')],
  ])('is told from %s', (_, base64) => {
    expect(() => decodeHll(base64)).toThrow('expected a sketch that Druid made')
  })
})
