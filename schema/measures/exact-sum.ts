/**
 * A sum of doubles with what its rounding lost: `sum` + `comp` is the sum of integers exactly (as long as the errors
 * alone stay below 2^53), and that of decimals to about 100 bits.
 */
export interface ExactSum {
  sum: number
  comp: number
}

/** Adds a double. TwoSum (Knuth, The Art of Computer Programming 2, 4.2.2): what `sum` loses is exactly `lost`. */
export const addExact = (into: ExactSum, value: number): void => {
  const { sum } = into
  const total = sum + value
  const part = total - sum
  const lost = sum - (total - part) + (value - part)
  into.sum = total
  into.comp += lost
}

/** Adds another sum; the same in whatever order. */
export const mergeExact = (into: ExactSum, from: ExactSum): void => {
  addExact(into, from.sum)
  into.comp += from.comp
}

/** The same sum, with all of it in `sum` that fits there: equal sums look equal. */
export const normalized = ({ sum, comp }: ExactSum): ExactSum => {
  const one = { sum, comp: 0 }
  addExact(one, comp)
  return one
}

/** The nearest double. */
export const exactValue = ({ sum, comp }: ExactSum): number => sum + comp
