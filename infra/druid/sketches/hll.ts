import { RANKS, REGISTERS, Registers } from '#schema/measures/hyperloglog.ts'
import { EXACT_MEMBERS } from '#schema/measures/uniques.ts'
import type { MeasureJson } from '#schema/measures.ts'
import { couponOfMember, couponOfRegister, LG_K, memberOfCoupon, packedOfCoupon } from './coupon.ts'
import { SketchUnreadable } from './unreadable.ts'

/**
 * Uniques as Apache DataSketches writes an HLL sketch (datasketches-java, hll/PreambleUtil), little-endian, as base64:
 * few members as a list or a set of coupons of 32 bits, more as one byte a register.
 */
type Uniques = Pick<MeasureJson, 'members' | 'registers'>

const VERSION = 1
const FAMILY_HLL = 7
const MODE = { LIST: 0, SET: 1, HLL: 2 } as const
/** Of what is sent and asked for: a byte a register. */
const HLL_8 = 2
const FLAG = { EMPTY: 4, COMPACT: 8, OUT_OF_ORDER: 16 } as const
const START = { LIST: 8, SET: 12, HLL: 40 } as const

const LG_LIST = 3
const LG_LEAST_SET = 5
/** A set grows when it is fuller than three quarters; at an eighth of the registers it is a set no more. */
const MOST_IN_SET = (2 ** (LG_K - 3) * 3) / 4

const preamble = (bytes: number, mode: number, preambleInts: number, lgArray: number, flags: number): DataView => {
  const view = new DataView(new ArrayBuffer(bytes))
  const head = [preambleInts, VERSION, FAMILY_HLL, LG_K, lgArray, flags, 0, HLL_8 * 4 + mode]
  for (const [i, byte] of head.entries()) view.setUint8(i, byte)
  return view
}

const putCoupons = (view: DataView, start: number, coupons: readonly number[]): DataView => {
  for (const [i, coupon] of coupons.entries()) view.setUint32(start + 4 * i, coupon, true)
  return view
}

const asList = (coupons: readonly number[]): DataView => {
  const flags = FLAG.COMPACT | (coupons.length === 0 ? FLAG.EMPTY : 0)
  const view = preamble(START.LIST + 4 * coupons.length, MODE.LIST, 2, LG_LIST, flags)
  view.setUint8(6, coupons.length)
  return putCoupons(view, START.LIST, coupons)
}

const asSet = (coupons: readonly number[]): DataView => {
  const lgArray = Math.max(LG_LEAST_SET, Math.ceil(Math.log2((coupons.length * 4) / 3)))
  const view = preamble(START.SET + 4 * coupons.length, MODE.SET, 3, lgArray, FLAG.COMPACT)
  view.setUint32(8, coupons.length, true)
  return putCoupons(view, START.SET, coupons)
}

const asRegisters = (coupons: readonly number[]): DataView => {
  const registers = new Registers()
  for (const coupon of coupons) registers.raise(packedOfCoupon(coupon))
  const ranks = registers.ranks()
  // Out of order: how they were filled is unknown, so that the estimate must come from the registers alone.
  const view = preamble(START.HLL + REGISTERS, MODE.HLL, 10, 0, FLAG.OUT_OF_ORDER)
  let [low, high, empty] = [0, 0, 0]
  for (const [i, rank] of ranks.entries()) {
    view.setUint8(START.HLL + i, rank)
    if (rank === 0) empty++
    // In two sums, as the library keeps them, so that neither loses digits.
    if (rank < 32) low += 2 ** -rank
    else high += 2 ** -rank
  }
  view.setFloat64(16, low, true)
  view.setFloat64(24, high, true)
  view.setUint32(32, empty, true)
  return view
}

/** Base64. */
export const encodeHll = ({ members = [], registers = [] }: Uniques): string => {
  const coupons = [...new Set([...members.map(couponOfMember), ...registers.map(couponOfRegister)])]
  const view =
    coupons.length < 2 ** LG_LIST
      ? asList(coupons)
      : coupons.length <= MOST_IN_SET
        ? asSet(coupons)
        : asRegisters(coupons)
  return Buffer.from(view.buffer).toString('base64')
}

const couponsIn = (view: DataView, mode: number): number[] => {
  const start = mode === MODE.LIST ? START.LIST : START.SET
  const count = mode === MODE.LIST ? view.getUint8(6) : view.getUint32(8, true)
  const coupons: number[] = []
  // One that is not compact has empty places.
  for (let at = start; at + 4 <= view.byteLength; at += 4) {
    const coupon = view.getUint32(at, true)
    if (coupon !== 0) coupons.push(coupon)
  }
  if (coupons.length !== count) throw new SketchUnreadable(`an HLL sketch of ${count} coupons with ${coupons.length}`)
  return coupons
}

const registersIn = (view: DataView): number[] => {
  if (view.getUint8(7) >>> 2 !== HLL_8) throw new SketchUnreadable('an HLL sketch that has no byte for each register')
  if (view.byteLength !== START.HLL + REGISTERS) {
    throw new SketchUnreadable(`an HLL sketch of ${view.byteLength} bytes instead of ${START.HLL + REGISTERS}`)
  }
  const packed: number[] = []
  for (let i = 0; i < REGISTERS; i++) {
    const rank = view.getUint8(START.HLL + i) % RANKS
    if (rank > 0) packed.push(i * RANKS + rank)
  }
  return packed
}

/**
 * What a store answers, to be merged further: members that stand for those of a coupon as long as they are counted one by
 * one, else registers. Of type HLL_8, or with coupons. Throws SketchUnreadable.
 */
export const decodeHll = (base64: string): Uniques => {
  const bytes = Buffer.from(base64, 'base64')
  if (bytes.length < START.LIST || bytes[1] !== VERSION || bytes[2] !== FAMILY_HLL) {
    throw new SketchUnreadable('no HLL sketch')
  }
  if (bytes[3] !== LG_K) throw new SketchUnreadable(`an HLL sketch with lgK ${bytes[3]} instead of ${LG_K}`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const mode = bytes[7] & 3
  if (mode === MODE.HLL) return { registers: registersIn(view) }
  const coupons = couponsIn(view, mode)
  if (coupons.length > EXACT_MEMBERS) return { registers: coupons.map(packedOfCoupon) }
  return coupons.length > 0 ? { members: coupons.map(memberOfCoupon) } : {}
}
