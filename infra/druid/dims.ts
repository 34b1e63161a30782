import { compareText } from '#schema/text-order.ts'

type Dims = readonly (string | null)[]

/** In the order that stores answer: value by value, null behind all others. */
export const compareDims = (a: Dims, b: Dims): number => {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const [left, right] = [a[i], b[i]]
    if (left === right) continue
    if (left === null || right === null) return left === null ? 1 : -1
    return compareText(left, right)
  }
  return a.length - b.length
}
