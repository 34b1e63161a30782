import { estimate, packedRank, RANKS, Registers } from './hyperloglog.ts'
import { Members } from './members.ts'

/**
 * Members up to which uniques are exact. Each partition keeps so many by name and knows the rest by registers, and so
 * many may be in a window to be counted by name. Because the two bounds are one, a window's value follows from the set
 * of its members alone, however they are spread over partitions, slices and deltas.
 */
export const EXACT_MEMBERS = 1_000

/** Distinct members, by hash (see memberHash). */
export interface Uniques {
  members: Members
  /** Of members that `members` had no room for. */
  registers: Registers | null
}

export const newUniques = (): Uniques => ({ members: new Members(), registers: null })

/** Adds a member to a delta. Only what `total` and `delta` do not say already. */
export const addMember = (delta: Uniques, member: number, total: Uniques | null): void => {
  if (delta.members.has(member) || total?.members.has(member)) return
  if (delta.members.size + (total?.members.size ?? 0) < EXACT_MEMBERS) {
    delta.members.add(member)
    return
  }
  const packed = packedRank(member)
  if (total?.registers && packed % RANKS <= total.registers.rank((packed / RANKS) | 0)) return
  delta.registers ??= new Registers()
  delta.registers.raise(packed)
}

export const mergeUniques = (into: Uniques, { members, registers }: Uniques): void => {
  into.members.addAll(members)
  if (!registers) return
  into.registers ??= new Registers()
  into.registers.merge(registers)
}

/**
 * Members that are too many to be counted by name become registers: the value stays the same, now and after any further
 * merge, and merging costs no more however many there are. For readers only, who need not know a member again.
 */
export const forgetNames = (uniques: Uniques): void => {
  if (!uniques.registers && uniques.members.size <= EXACT_MEMBERS) return
  uniques.registers ??= new Registers()
  for (const member of uniques.members.list()) uniques.registers.raise(packedRank(member))
  uniques.members = new Members()
}

/** Exact up to EXACT_MEMBERS; beyond, an estimate with a standard error of 0.81 %. */
export const countUniques = ({ members, registers }: Uniques): number => {
  if (!registers && members.size <= EXACT_MEMBERS) return members.size
  if (registers && members.size === 0) return Math.round(estimate(registers.ranks()))
  const all = new Registers()
  if (registers) all.merge(registers)
  for (const member of members.list()) all.raise(packedRank(member))
  return Math.round(estimate(all.ranks()))
}
