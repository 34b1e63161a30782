import { WORDS_PER_ID as WORDS } from '#schema/checkpoint.ts'
import type { Hash128 } from '#schema/hash.ts'

const HASH_WORDS = 4
const SMALLEST = 64
/** Beyond this load the table is rebuilt: linear probing stays short. */
const MOST_LOAD = 0.7

/**
 * Identities that were counted: 128-bit hashes with the minute of their event time, in one open-addressing table of
 * 32-bit words (hash 4, minute 1; minute 0 is an empty slot). An identity is forgotten when every event of its minute
 * would be late, so memory is bounded by rate × horizon. Forgetting depends on the minute alone, never on when the table
 * was rebuilt: a replay forgets the same.
 */
export class IdentityTable {
  private words = new Uint32Array(SMALLEST * WORDS)
  private used = 0
  private fresh = new Uint32Array(0)
  private freshWords = 0

  /** Remembers; false when it is there already. Minutes before `forgottenBefore` count as not there. */
  add(hash: Hash128, minute: number, forgottenBefore: number): boolean {
    const slot = this.find(hash)
    if (this.isLive(slot, forgottenBefore)) return false
    this.put(slot, hash, minute, forgottenBefore)
    this.noteFresh(hash, minute)
    return true
  }

  has(hash: Hash128, forgottenBefore: number): boolean {
    return this.isLive(this.find(hash), forgottenBefore)
  }

  /** What was added since the last call, as words of a segment. */
  takeFresh(): Uint32Array {
    const words = this.fresh.slice(0, this.freshWords)
    this.freshWords = 0
    return words
  }

  /** Puts back what segments hold, but for minutes before `forgottenBefore`. The newest minute of an identity wins. */
  restore(words: Uint32Array, forgottenBefore = 0): void {
    const hash: Hash128 = new Uint32Array(HASH_WORDS)
    this.reserve(words.length / WORDS, forgottenBefore)
    for (let at = 0; at < words.length; at += WORDS) {
      const minute = words[at + HASH_WORDS]
      if (minute < forgottenBefore) continue
      hash[0] = words[at]
      hash[1] = words[at + 1]
      hash[2] = words[at + 2]
      hash[3] = words[at + 3]
      this.put(this.find(hash), hash, minute, forgottenBefore)
    }
  }

  get size(): number {
    return this.used
  }

  private isLive(slot: number, forgottenBefore: number): boolean {
    const known = this.words[slot + HASH_WORDS]
    return known !== 0 && known >= forgottenBefore
  }

  /** `slot`: where it was found, or where it was looked for in vain. */
  private put(slot: number, hash: Hash128, minute: number, forgottenBefore: number): void {
    const { words } = this
    if (words[slot + HASH_WORDS] === 0) this.used++
    words[slot] = hash[0]
    words[slot + 1] = hash[1]
    words[slot + 2] = hash[2]
    words[slot + 3] = hash[3]
    words[slot + HASH_WORDS] = minute
    if (this.used * WORDS > words.length * MOST_LOAD) this.rebuild(forgottenBefore)
  }

  private noteFresh(hash: Hash128, minute: number): void {
    const at = this.freshWords
    if (at === this.fresh.length) {
      const larger = new Uint32Array(Math.max(SMALLEST * WORDS, 2 * at))
      larger.set(this.fresh)
      this.fresh = larger
    }
    const { fresh } = this
    fresh[at] = hash[0]
    fresh[at + 1] = hash[1]
    fresh[at + 2] = hash[2]
    fresh[at + 3] = hash[3]
    fresh[at + HASH_WORDS] = minute
    this.freshWords = at + WORDS
  }

  private find(hash: Hash128): number {
    const { words } = this
    const slots = words.length / WORDS
    for (let slot = hash[0] & (slots - 1); ; slot = (slot + 1) & (slots - 1)) {
      const at = slot * WORDS
      if (words[at + HASH_WORDS] === 0) return at
      if (
        words[at] === hash[0] &&
        words[at + 1] === hash[1] &&
        words[at + 2] === hash[2] &&
        words[at + 3] === hash[3]
      ) {
        return at
      }
    }
  }

  /** Room for so many more: a table that doubled again and again on the way would copy each of them as often. */
  private reserve(count: number, forgottenBefore: number): void {
    if ((this.used + count) * WORDS > this.words.length * MOST_LOAD) this.rebuild(forgottenBefore, count)
  }

  private rebuild(forgottenBefore: number, more = 0): void {
    const old = this.words
    let live = 0
    const isLive = (at: number): boolean => old[at + HASH_WORDS] !== 0 && old[at + HASH_WORDS] >= forgottenBefore
    for (let at = 0; at < old.length; at += WORDS) if (isLive(at)) live++
    let slots = SMALLEST
    while (slots * MOST_LOAD < Math.max(live * 2, live + more)) slots *= 2
    const words = new Uint32Array(slots * WORDS)
    this.words = words
    this.used = live
    for (let at = 0; at < old.length; at += WORDS) {
      if (!isLive(at)) continue
      const slot = this.freeSlot(old[at])
      for (let i = 0; i < WORDS; i++) words[slot + i] = old[at + i]
    }
  }

  /** For an identity that is known not to be there. */
  private freeSlot(firstWord: number): number {
    const { words } = this
    const slots = words.length / WORDS
    let slot = firstWord & (slots - 1)
    while (words[slot * WORDS + HASH_WORDS] !== 0) slot = (slot + 1) & (slots - 1)
    return slot * WORDS
  }
}
