import { packedRank, RANKS, REGISTERS } from '#schema/measures/hyperloglog.ts'

/**
 * A member as DataSketches' HLL knows it: 26 bits of address, of which the lower LG_K choose the register, and above them
 * its rank in six. Millrace's 14 bits of index and its rank are taken as they are, so that the registers are the same;
 * the other 12 bits are the lowest of the member's hash, which tell members of one register and rank apart.
 */
export const LG_K = Math.log2(REGISTERS)

const ADDRESS_BITS = 26
const TAIL = 2 ** (ADDRESS_BITS - LG_K)
/** Bits of a member's hash behind those of the index. */
const REST_BITS = 53 - LG_K

const couponOfPacked = (packed: number, tail: number): number =>
  (packed % RANKS) * 2 ** ADDRESS_BITS + tail * REGISTERS + Math.floor(packed / RANKS)

export const couponOfMember = (member: number): number => couponOfPacked(packedRank(member), member % TAIL)

/** Of a register, whose members have no names any more. `packed`: see hyperloglog.ts. */
export const couponOfRegister = (packed: number): number => couponOfPacked(packed, 0)

/** Register and rank of a coupon, as one number: see hyperloglog.ts. */
export const packedOfCoupon = (coupon: number): number =>
  (coupon % REGISTERS) * RANKS + Math.floor(coupon / 2 ** ADDRESS_BITS)

/**
 * A member that has this coupon: the same for all that have it. It stands for them in sets and falls into the same
 * register with the same rank. Members of one coupon become one: among a thousand that happens once in 500 times.
 */
export const memberOfCoupon = (coupon: number): number => {
  const rank = Math.floor(coupon / 2 ** ADDRESS_BITS)
  const tail = Math.floor((coupon % 2 ** ADDRESS_BITS) / REGISTERS)
  const start = (coupon % REGISTERS) * 2 ** REST_BITS
  if (rank > REST_BITS) return start
  const leading = 2 ** (REST_BITS - rank)
  return start + leading + (tail % leading)
}
