import type { Measure } from '#schema/measures.ts'
import { addSums, type Sum } from './cells.ts'

/**
 * The sum of a window that moves over slices, each added once and dropped once: about three additions a slice and
 * window, however many slices a window has. Nothing is ever subtracted, so any mergeable state will do. (Two stacks, as in
 * Tangwongsan, Hirzel, Schneider: "General incremental sliding-window aggregation", VLDB 2015.)
 */
export const createSlidingSum = (measure: Measure) => {
  /** Oldest last: each with the sum of itself and all that are newer in here. */
  let front: { index: number; sum: Sum }[] = []
  /** What came after them, oldest first. */
  let back: { index: number; cell: Sum }[] = []
  /** Of the first `added` of `back`. */
  let backSum: Sum | undefined
  let added = 0
  /** The last answer, as long as nothing is added or dropped. */
  let total: Sum | undefined

  const flip = (from: number): void => {
    front = []
    for (let i = back.length - 1; i >= 0 && back[i].index >= from; i--) {
      const { index, cell } = back[i]
      const newer = front.at(-1)
      front.push({ index, sum: newer ? addSums(measure, cell, newer.sum) : cell })
    }
    back = []
    backSum = undefined
    added = 0
  }

  return {
    /** `index` of slices only ever grows. */
    add(index: number, cell: Sum): void {
      back.push({ index, cell })
      total = undefined
    },
    /**
     * The sum of all from `index` on; undefined where there are none. Those before it are forgotten. The same object as
     * long as it is the same sum.
     */
    from(index: number): Sum | undefined {
      while (front.length > 0 && front[front.length - 1].index < index) {
        front.pop()
        total = undefined
      }
      if (total) return total
      if (front.length === 0) flip(index)
      const oldest = front.at(-1)?.sum
      for (; added < back.length; added++) {
        backSum = backSum ? addSums(measure, backSum, back[added].cell) : back[added].cell
      }
      total = oldest && backSum ? addSums(measure, oldest, backSum) : oldest
      return total
    },
  }
}
