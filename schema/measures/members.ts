const SMALLEST = 8
/** At most so many of the slots are taken: looking up stays short. */
const MOST_LOAD = 0.5
const NONE = -1

/**
 * A set of hashes of members (see memberHash: integers from 0 below 2^53) in one table of doubles with linear probing. A
 * Set keeps each such number in an object of its own, and to find one costs several times as much.
 */
export class Members {
  size = 0
  private slots: Float64Array

  constructor(members: readonly number[] = []) {
    let slots = SMALLEST
    while (members.length > slots * MOST_LOAD) slots *= 2
    this.slots = new Float64Array(slots).fill(NONE)
    for (const member of members) this.add(member)
  }

  has(member: number): boolean {
    return this.slots[this.find(member)] === member
  }

  /** False when it was there. */
  add(member: number): boolean {
    const slot = this.find(member)
    if (this.slots[slot] === member) return false
    this.slots[slot] = member
    this.size++
    if (this.size > this.slots.length * MOST_LOAD) this.grow()
    return true
  }

  addAll({ slots }: Members): void {
    for (let i = 0; i < slots.length; i++) if (slots[i] !== NONE) this.add(slots[i])
  }

  list(): number[] {
    const { slots } = this
    const members: number[] = []
    for (let i = 0; i < slots.length; i++) if (slots[i] !== NONE) members.push(slots[i])
    return members
  }

  /** Where it is, or where it would be. */
  private find(member: number): number {
    const { slots } = this
    const mask = slots.length - 1
    let slot = member & mask
    for (let there = slots[slot]; there !== member && there !== NONE; there = slots[slot]) slot = (slot + 1) & mask
    return slot
  }

  private grow(): void {
    const old = this.slots
    this.slots = new Float64Array(old.length * 2).fill(NONE)
    for (const member of old) if (member !== NONE) this.slots[this.find(member)] = member
  }
}
