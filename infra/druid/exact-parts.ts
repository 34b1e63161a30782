import { addExact, type ExactSum } from '#schema/measures/exact-sum.ts'

/**
 * A sum as multiples of 2^32, whole numbers below that, and fractions. Druid adds doubles and forgets what their rounding
 * loses: of these parts the first two lose nothing up to 2^53 times as much, and the fractions next to nothing.
 */
interface ExactParts {
  high: number
  low: number
  part: number
}

const HIGH = 2 ** 32

export const exactParts = ({ sum, comp }: ExactSum): ExactParts => {
  const whole = Math.trunc(sum)
  const low = whole % HIGH
  return { high: whole - low, low, part: sum - whole + comp }
}

export const fromParts = ({ high, low, part }: ExactParts): ExactSum => {
  const sum = { sum: high, comp: 0 }
  addExact(sum, low)
  addExact(sum, part)
  return sum
}
