/** The middle one; of an even number the higher of two. */
export const median = (numbers: readonly number[]): number => numbers.toSorted((a, b) => a - b)[numbers.length >> 1]

/** The value below which so large a share lies, of numbers in order. */
export const quantile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]

/** Two digits behind the point. */
export const round = (number: number): number => Math.round(number * 100) / 100
