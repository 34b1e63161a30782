/**
 * MurmurHash3 x86_128 (Austin Appleby, public domain) over the UTF-16 code units of a string, each as two bytes
 * little-endian. Its four words of state start from `seed`, so that with secret seeds identities cannot be forged to
 * collide from outside. It is the one hash of the project: partitions, identities, members of uniques.
 */
const C1 = 0x239b961b
const C2 = 0xab0e9789
const C3 = 0x38b34ae5
const C4 = 0xa1e38b93

/** Four words: the 128-bit result, or the seed. */
export type Hash128 = Uint32Array

const rotl = (x: number, r: number): number => (x << r) | (x >>> (32 - r))

const fmix = (h: number): number => {
  h ^= h >>> 16
  h = Math.imul(h, 0x85ebca6b)
  h ^= h >>> 13
  h = Math.imul(h, 0xc2b2ae35)
  return h ^ (h >>> 16)
}

/** Code units of the text that is being hashed. Behind them stand zeros, as far as the last block needs. */
let units = new Uint16Array(1_024)
const BLOCK = 8

const reserve = (length: number): void => {
  if (length + BLOCK > units.length) units = new Uint16Array(2 * (length + BLOCK))
}

/** Two of them. */
const word = (at: number): number => units[at] | (units[at + 1] << 16)

/** Hashes the first `length` units into `out` (4 words). No allocation: it runs for every event. */
const hashUnits = (length: number, seed: Hash128, out: Hash128): void => {
  let h1 = seed[0] | 0
  let h2 = seed[1] | 0
  let h3 = seed[2] | 0
  let h4 = seed[3] | 0
  const whole = length - (length % BLOCK)
  for (let i = 0; i < whole; i += BLOCK) {
    h1 ^= Math.imul(rotl(Math.imul(word(i), C1), 15), C2)
    h1 = (Math.imul((rotl(h1, 19) + h2) | 0, 5) + 0x561ccd1b) | 0
    h2 ^= Math.imul(rotl(Math.imul(word(i + 2), C2), 16), C3)
    h2 = (Math.imul((rotl(h2, 17) + h3) | 0, 5) + 0x0bcaa747) | 0
    h3 ^= Math.imul(rotl(Math.imul(word(i + 4), C3), 17), C4)
    h3 = (Math.imul((rotl(h3, 15) + h4) | 0, 5) + 0x96cd1c35) | 0
    h4 ^= Math.imul(rotl(Math.imul(word(i + 6), C4), 18), C1)
    h4 = (Math.imul((rotl(h4, 13) + h1) | 0, 5) + 0x32ac3b17) | 0
  }
  if (whole < length) {
    units.fill(0, length, whole + BLOCK)
    h4 ^= Math.imul(rotl(Math.imul(word(whole + 6), C4), 18), C1)
    h3 ^= Math.imul(rotl(Math.imul(word(whole + 4), C3), 17), C4)
    h2 ^= Math.imul(rotl(Math.imul(word(whole + 2), C2), 16), C3)
    h1 ^= Math.imul(rotl(Math.imul(word(whole), C1), 15), C2)
  }
  const bytes = length * 2
  h1 ^= bytes
  h2 ^= bytes
  h3 ^= bytes
  h4 ^= bytes
  h1 = (h1 + h2 + h3 + h4) | 0
  h2 = (h2 + h1) | 0
  h3 = (h3 + h1) | 0
  h4 = (h4 + h1) | 0
  h1 = fmix(h1)
  h2 = fmix(h2)
  h3 = fmix(h3)
  h4 = fmix(h4)
  h1 = (h1 + h2 + h3 + h4) | 0
  out[0] = h1
  out[1] = h2 + h1
  out[2] = h3 + h1
  out[3] = h4 + h1
}

/** Hashes `text` into `out` (4 words). */
export const hash128 = (text: string, seed: Hash128, out: Hash128): void => {
  const { length } = text
  reserve(length)
  for (let i = 0; i < length; i++) units[i] = text.charCodeAt(i)
  hashUnits(length, seed, out)
}

const ZERO_SEED: Hash128 = new Uint32Array(4)
const scratch: Hash128 = new Uint32Array(4)

/** The partition of a key. Depends on nothing else, so that a retry lands where the first try did. */
export const partitionOf = (tenant: string, key: string, partitions: number): number => {
  hash128(`${tenant}\u0000${key}`, ZERO_SEED, scratch)
  return scratch[0] % partitions
}

/** The same of a key that stands in bytes of ASCII. */
export const partitionOfAscii = (
  tenant: string,
  data: Uint8Array,
  start: number,
  end: number,
  partitions: number,
): number => {
  reserve(tenant.length + 1 + end - start)
  let length = 0
  for (; length < tenant.length; length++) units[length] = tenant.charCodeAt(length)
  units[length++] = 0
  for (let at = start; at < end; at++) units[length++] = data[at]
  hashUnits(length, ZERO_SEED, scratch)
  return scratch[0] % partitions
}

/** Its first 53 bits. */
export const memberOf = (hash: Hash128): number => (hash[0] & 0x1fffff) * 0x1_0000_0000 + hash[1]

/** A member of a set of uniques as an integer below 2^53, exact in JSON and in a double. */
export const memberHash = (value: string): number => {
  hash128(value, ZERO_SEED, scratch)
  return memberOf(scratch)
}
