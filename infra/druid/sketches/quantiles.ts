import { bucketOf, bucketValue, LEAST } from '#schema/measures/quantiles.ts'
import { addWeight, type WeightsBy } from '#schema/measures/tally.ts'
import { SketchUnreadable } from './unreadable.ts'

/**
 * Quantiles as Apache DataSketches writes a quantiles sketch of doubles (datasketches-java, quantiles/PreambleUtil),
 * little-endian, as base64. A sketch of n values keeps n mod 2k of them in its base buffer, each for itself, and k in each
 * level that n / 2k has a bit for: one of level l stands for 2^(l + 1).
 */
export const QUANTILES_K = 256

const VERSION = 3
const FAMILY_QUANTILES = 8
const FLAG = { READ_ONLY: 2, EMPTY: 4, COMPACT: 8, ORDERED: 16 } as const
const START = 32
const FEWEST_BYTES = 8

/** In the bucket, also where what is said of it would count as 0. */
const valueIn = (bucket: number): number => (Math.abs(bucket) === 1 ? bucket * LEAST : bucketValue(bucket))

/** Values that stand for `weight` each, from the lowest to the highest. */
interface Level {
  weight: number
  size: number
}

/** Base buffer first. */
const levelsOf = (n: number, k: number): Level[] => {
  const levels: Level[] = []
  if (n % (2 * k) > 0) levels.push({ weight: 1, size: n % (2 * k) })
  let weight = 2
  for (let rest = Math.floor(n / (2 * k)); rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) levels.push({ weight, size: k })
    weight *= 2
  }
  return levels
}

/**
 * Which values go where. All places stand in one line, those of each level spread evenly; every place takes the value in
 * the middle of the weight that it covers. So no rank is off by more than half of what one place stands for, which is at
 * most n / 2k, and fewer than 2k values are all there.
 */
const spread = (
  values: readonly (readonly [value: number, weight: number])[],
  total: number,
  n: number,
): number[][] => {
  const levels = levelsOf(n, QUANTILES_K)
  const places = levels.flatMap(({ size, weight }, level) =>
    Array.from({ length: size }, (_, i) => ({ level, weight, at: (i + 0.5) / size })),
  )
  places.sort((a, b) => a.at - b.at)
  const filled: number[][] = levels.map(() => [])
  let [covered, next, below] = [0, 0, values[0][1]]
  for (const { level, weight } of places) {
    const middle = ((covered + weight / 2) / n) * total
    while (below <= middle && next < values.length - 1) below += values[++next][1]
    filled[level].push(values[next][0])
    covered += weight
  }
  return filled
}

/**
 * Base64; undefined where there is nothing. Counts of a sketch are whole numbers: the sum of the weights, all above 0, is
 * rounded up where its fraction is above `chance` (0 to 1, as good as random), which on average rounds nothing.
 */
export const encodeQuantiles = (weights: Iterable<readonly [bucket: number, weight: number]>, chance: number) => {
  const values = [...weights].sort(([a], [b]) => a - b).map(([bucket, weight]) => [valueIn(bucket), weight] as const)
  const total = values.reduce((sum, [, weight]) => sum + weight, 0)
  const n = Math.floor(total) + (total % 1 > chance ? 1 : 0)
  if (n < 1 || values.length === 0) return undefined
  const kept = spread(values, total, n).flat()
  const view = new DataView(new ArrayBuffer(START + 8 * kept.length))
  const head = [2, VERSION, FAMILY_QUANTILES, FLAG.READ_ONLY | FLAG.COMPACT | FLAG.ORDERED]
  for (const [i, byte] of head.entries()) view.setUint8(i, byte)
  view.setUint16(4, QUANTILES_K, true)
  view.setBigUint64(8, BigInt(n), true)
  view.setFloat64(16, values[0][0], true)
  view.setFloat64(24, values[values.length - 1][0], true)
  for (const [i, value] of kept.entries()) view.setFloat64(START + 8 * i, value, true)
  return Buffer.from(view.buffer).toString('base64')
}

/** Weights by bucket of what a store answers. Throws SketchUnreadable. */
export const decodeQuantiles = (base64: string): WeightsBy<number> => {
  const bytes = Buffer.from(base64, 'base64')
  const buckets: WeightsBy<number> = new Map()
  if (bytes.length < FEWEST_BYTES || bytes[1] !== VERSION || bytes[2] !== FAMILY_QUANTILES) {
    throw new SketchUnreadable('no quantiles sketch')
  }
  if ((bytes[3] & FLAG.EMPTY) !== 0) return buckets
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const k = view.getUint16(4, true)
  const n = bytes.length < START ? 0 : Number(view.getBigUint64(8, true))
  const levels = levelsOf(n, k)
  const size = levels.reduce((sum, level) => sum + level.size, 0)
  if ((bytes[3] & FLAG.COMPACT) === 0 || bytes.length !== START + 8 * size) {
    throw new SketchUnreadable(`a quantiles sketch of ${n} values in ${bytes.length} bytes`)
  }
  let at = START
  for (const level of levels) {
    for (let i = 0; i < level.size; i++, at += 8) addWeight(buckets, bucketOf(view.getFloat64(at, true)), level.weight)
  }
  return buckets
}
