import type { WeightsBy } from './tally.ts'

/**
 * DDSketch (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable quantile sketch with relative-error guarantees",
 * VLDB 2019) with a logarithmic mapping, and without collapsing: buckets add up in any order. Buckets grow by GAMMA, so
 * what is said of one is off by at most (GAMMA - 1) / (GAMMA + 1) = 0.99 %.
 *
 * The maintained library, @datadog/sketches-js 2.1.1, was tried: its merge leaves out negative values, a sketch of two
 * values takes 9 kB (one array from the lowest bucket to the highest), and its encoding loses minimum and maximum.
 */
export const GAMMA = 1.02
const LOG_GAMMA = Math.log(GAMMA)

/** Below this a number counts as 0, above ±MOST it is not measured: there are at most 9,771 buckets. */
export const LEAST = 1e-12
export const MOST = 1e30

/** Exponent of the bucket that holds LEAST, less 1: exponents of buckets start at 1 behind it. */
export const EXPONENT_BEFORE = Math.ceil(Math.log(LEAST) / LOG_GAMMA) - 1

/** The bucket of a number within ±MOST. Buckets are in the order of what is in them, 0 holds 0. */
export const bucketOf = (value: number): number => {
  const size = Math.abs(value)
  if (size < LEAST) return 0
  const bucket = Math.ceil(Math.log(size) / LOG_GAMMA) - EXPONENT_BEFORE
  return value < 0 ? -bucket : bucket
}

/** Within 1 % of everything in the bucket. Six digits: stores that compute powers a little differently say the same. */
export const bucketValue = (bucket: number): number => {
  if (bucket === 0) return 0
  const size = (2 * GAMMA ** (Math.abs(bucket) + EXPONENT_BEFORE)) / (GAMMA + 1)
  return Number((bucket < 0 ? -size : size).toPrecision(6))
}

export const QUANTILES = { p50: 0.5, p90: 0.9, p99: 0.99 } as const
export type Quantiles = Record<keyof typeof QUANTILES, number>

/**
 * Of n values in order the p-quantile is that at p * (n - 1), rounded down; a value of weight 2 stands there twice.
 * `range`: no answer lies outside of what was measured.
 */
export const quantilesOf = (buckets: WeightsBy<number>, range: { min: number; max: number }): Quantiles => {
  const sorted = [...buckets].sort(([a], [b]) => a - b)
  const total = sorted.reduce((sum, [, weight]) => sum + weight, 0)
  const at = (quantile: number): number => {
    const rank = quantile * (total - 1)
    let [below, i] = [sorted[0][1], 0]
    while (below <= rank && i < sorted.length - 1) below += sorted[++i][1]
    return Math.min(range.max, Math.max(range.min, bucketValue(sorted[i][0])))
  }
  return { p50: at(QUANTILES.p50), p90: at(QUANTILES.p90), p99: at(QUANTILES.p99) }
}
