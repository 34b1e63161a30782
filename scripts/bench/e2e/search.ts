/** By how much the next rate is larger or smaller, until one holds and one does not. */
const STEP = 1.5
/** Rates closer than this are not told apart. */
const PRECISION = 1.05

/**
 * The highest rate that holds, to 5 %: steps up or down from the first until the answer changes, then halves what is
 * between. 0 where not even `lowest` holds.
 */
export const findHighest = async (
  first: number,
  lowest: number,
  holds: (rate: number) => Promise<boolean>,
): Promise<number> => {
  let good = 0
  let bad = Number.POSITIVE_INFINITY
  for (let rate = first; bad / good > PRECISION && rate >= lowest; ) {
    if (await holds(rate)) good = rate
    else bad = rate
    if (good === 0) rate = Math.round(bad / STEP)
    else if (bad === Number.POSITIVE_INFINITY) rate = Math.round(good * STEP)
    else rate = Math.round(Math.sqrt(good * bad))
  }
  return good
}
