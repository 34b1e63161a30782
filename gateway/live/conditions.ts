import type { Condition } from '#schema/metric.ts'
import { compareText } from '#schema/text-order.ts'

type Dimension = string | null

const number = (value: unknown): number => (value === '' || value === null ? Number.NaN : Number(value))

/** Numbers compare as numbers, everything else by code points: '9' < '10' because both are numbers. */
const compare = (left: string, right: unknown): number => {
  const [a, b] = [number(left), number(right)]
  if (!Number.isNaN(a) && !Number.isNaN(b)) return a - b
  return compareText(left, String(right))
}

const same = (dimension: Dimension, value: unknown): boolean =>
  dimension === null ? value === null : value !== null && dimension === String(value)

/**
 * Compiles a condition on the value of a dimension: text, or null where the event had none. Null matches only
 * EQ null, NE of anything else, IN a list that holds null, and EXISTS false.
 */
export const dimensionTest = ({ op, value }: Condition): ((dimension: Dimension) => boolean) => {
  switch (op) {
    case 'EQ':
      return (dimension) => same(dimension, value)
    case 'NE':
      return (dimension) => !same(dimension, value)
    case 'LT':
      return (dimension) => dimension !== null && compare(dimension, value) < 0
    case 'LE':
      return (dimension) => dimension !== null && compare(dimension, value) <= 0
    case 'GT':
      return (dimension) => dimension !== null && compare(dimension, value) > 0
    case 'GE':
      return (dimension) => dimension !== null && compare(dimension, value) >= 0
    case 'IN': {
      const list = Array.isArray(value) ? value : [value]
      return (dimension) => list.some((one) => same(dimension, one))
    }
    case 'CONTAINS':
      return (dimension) => dimension?.includes(String(value)) ?? false
    case 'EXISTS':
      return (dimension) => (dimension !== null) === (value !== false)
  }
}
