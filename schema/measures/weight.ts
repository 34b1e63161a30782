/**
 * Weights are counted in steps of 2^-20, so that sums of them are exact up to 2^33: counts, buckets and items come to the
 * same whatever is added first, and what is taken back leaves nothing. A weight is off by less than one in a million.
 */
const STEPS = 2 ** 20

export const exactWeight = (weight: number): number =>
  weight === 1 ? 1 : Math.max(1, Math.round(Math.abs(weight) * STEPS)) * (Math.sign(weight) / STEPS)
