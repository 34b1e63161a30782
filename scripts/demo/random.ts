/** A seeded source of chance: the same seed tells the same story. */
export interface Random {
  /** In [0, 1). */
  next(): number
  /** 32 random bits. */
  bits(): number
  /** Whole number from `from` to `to`, both included. */
  whole(from: number, to: number): number
  chance(share: number): boolean
  pick<T>(items: readonly T[]): T
  /** Of items with weights, in their proportion. */
  weighted<T extends { weight: number }>(items: readonly T[]): T
  /** Exponentially distributed: the time between independent happenings. */
  exponential(mean: number): number
  /** Even over orders of magnitude. */
  logUniform(from: number, to: number): number
}

/** sfc32 (Chris Doty-Humphrey, public domain), 128 bits of state. */
export const createRandom = (seed: number, stream = 0): Random => {
  let a = seed | 0
  let b = stream | 0
  let c = 0x9e3779b9 | 0
  let counter = 1
  const bits = (): number => {
    const sum = (a + b + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + sum) | 0
    return sum >>> 0
  }
  // Seeds that differ little give like numbers at first.
  for (let i = 0; i < 15; i++) bits()
  const next = () => bits() / 2 ** 32
  const weighted = <T extends { weight: number }>(items: readonly T[]): T => {
    let left = next() * items.reduce((sum, { weight }) => sum + weight, 0)
    for (const item of items) {
      left -= item.weight
      if (left < 0) return item
    }
    return items[items.length - 1]
  }
  return {
    next,
    bits,
    whole: (from, to) => from + Math.floor(next() * (to - from + 1)),
    chance: (share) => next() < share,
    pick: (items) => items[Math.floor(next() * items.length)],
    weighted,
    exponential: (mean) => -mean * Math.log(1 - next()),
    logUniform: (from, to) => from * (to / from) ** next(),
  }
}

const hex = (value: number, digits: number) => value.toString(16).padStart(digits, '0')

/** A UUIDv7 (RFC 9562, section 5.7) of this time in milliseconds since 1970. */
export const uuidV7 = (random: Random, timeMs: number): string => {
  const time = hex(Math.floor(timeMs), 12)
  const [first, second, third] = [random.bits(), random.bits(), random.bits()]
  const variant = hex(0x8000 | (first & 0x3fff), 4)
  return `${time.slice(0, 8)}-${time.slice(8)}-7${hex(first >>> 20, 3)}-${variant}-${hex(second, 8)}${hex(third >>> 16, 4)}`
}
