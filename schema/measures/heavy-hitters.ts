import { compareText } from '../text-order.ts'
import { addWeight, mergeWeights, type WeightsBy } from './tally.ts'

/**
 * The heaviest of many values (Misra, Gries 1982; merging: Agarwal, Cormode, Huang, Phillips, Wei, Yi: "Mergeable
 * summaries", PODS 2012). `counts` are exact until a partition has more values than it keeps; then the same is
 * subtracted from all of them, and those with nothing left go. What was subtracted stands in `error`, so for every value,
 * also one that has gone: count <= its true weight <= count + error.
 */
export interface HeavyHitters {
  counts: WeightsBy<string>
  error: number
  /** What `counts` cost, see costOf. */
  cost: number
  /** In a delta: by how much it makes its total cost more. In a state that has no total: what it costs. */
  growth: number
}

/** Characters that all values of one partition's series may cost together: its row fits a message in any alphabet. */
const MOST_COST = 80_000
/** What is left of them when there are more. */
const KEPT_COST = 40_000
/** A value with its count. */
const costOf = (value: string): number => value.length + 16

export const newHitters = (): HeavyHitters => ({ counts: new Map(), error: 0, cost: 0, growth: 0 })

const bump = (hitters: HeavyHitters, value: string, weight: number): void => {
  const before = hitters.counts.size
  addWeight(hitters.counts, value, weight)
  hitters.cost += (hitters.counts.size - before) * costOf(value)
}

/** Adds a value to a delta; prunes when it and `total` together have too many. */
export const addHit = (delta: HeavyHitters, value: string, weight: number, total: HeavyHitters | null): void => {
  const known = (total?.counts.get(value) ?? 0) + (delta.counts.get(value) ?? 0)
  bump(delta, value, weight)
  if (known !== 0) return
  delta.growth += costOf(value)
  if ((total?.cost ?? 0) + delta.growth > MOST_COST) prune(delta, total)
}

/** Prunes what has no total and was merged from several. */
export const trimHitters = (hitters: HeavyHitters): void => {
  if (hitters.growth > MOST_COST) prune(hitters, null)
}

/** Amortised: half of what fits must come anew before the next time. */
const prune = (delta: HeavyHitters, total: HeavyHitters | null): void => {
  const both = new Map(total?.counts)
  mergeWeights(both, delta.counts)
  // By name as well: a fold that was restarted may have them in another order, and must say the same bytes.
  const sorted = [...both].sort(([a, one], [b, other]) => other - one || (a < b ? -1 : 1))
  let [cost, left] = [0, 0]
  const first = sorted.find(([value]) => {
    cost += costOf(value)
    return cost > KEPT_COST
  })
  const least = Math.max(0, first?.[1] ?? 0)
  for (const [value, count] of sorted) {
    if (count > 0) bump(delta, value, -Math.min(count, least))
    if (count > least) left += costOf(value)
  }
  delta.error += least
  delta.growth = left - (total?.cost ?? 0)
}

export const mergeHitters = (
  into: HeavyHitters,
  from: { counts: Iterable<readonly [string, number]>; error: number },
): void => {
  for (const [value, count] of from.counts) bump(into, value, count)
  into.error += from.error
  into.growth = into.cost
}

export interface TopValue {
  value: string
  /** At most the true count, and at least that less `error`. */
  count: number
  error: number
}

/** The k heaviest; those of one weight in the order of their text. */
export const heaviest = ({ counts, error }: HeavyHitters, k: number): TopValue[] =>
  [...counts]
    .filter(([, count]) => count > 0)
    .sort(([a, one], [b, other]) => other - one || compareText(a, b))
    .slice(0, k)
    .map(([value, count]) => ({ value, count, error }))
