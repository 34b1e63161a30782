import type { UnnamedJson } from '#schema/checkpoint.ts'
import { addWeight, mergeWeights, type WeightsBy } from '#schema/measures/tally.ts'

/** Names that are counted at once: beside the series of a window they are few. */
const MOST_COUNTED = 4_000
/** Lighter ones get no name, however little else there is. */
const LEAST_WEIGHT = 16

/**
 * Finds the heavy ones among the names that a window has no room for (Misra, Gries 1982), by their hashes. When too many
 * are counted, what the first of the lighter half has is subtracted from all. So a count is never above what it stands
 * for, and below it by at most 2 / `most` of everything that fell here: whoever has more than 4 / `most` of that has a
 * count of more than 2 / `most`, and with that a name is heavy. What changed since the last checkpoint is additive, as rows are.
 */
export class HeavyNames {
  private readonly most: number
  private readonly counts: WeightsBy<number> = new Map()
  /** Weight of all that fell here. */
  private weight = 0
  private fresh: WeightsBy<number> = new Map()
  private freshWeight = 0

  constructor(most = MOST_COUNTED) {
    this.most = most
  }

  /** Whether the name is heavy by now: then it need not be asked for again. Else the event falls here and is counted. */
  proves(name: number, weight: number): boolean {
    const known = this.counts.get(name) ?? 0
    const total = this.weight + weight
    if (known + weight >= Math.max(LEAST_WEIGHT, (total * 2) / this.most)) return true
    this.weight = total
    this.freshWeight += weight
    this.change(name, weight)
    if (this.counts.size > this.most) this.prune()
    return false
  }

  /** Counts that changed since the last call: about what take() will answer. */
  get pending(): number {
    return this.fresh.size
  }

  /** What changed since the last call. */
  take(): UnnamedJson {
    const json: UnnamedJson = { weight: this.freshWeight, counts: [...this.fresh] }
    this.fresh = new Map()
    this.freshWeight = 0
    return json
  }

  restore({ weight, counts }: UnnamedJson): void {
    this.weight += weight
    mergeWeights(this.counts, counts)
  }

  private change(name: number, by: number): void {
    if (by === 0) return
    addWeight(this.counts, name, by)
    addWeight(this.fresh, name, by)
  }

  /** Amortised: half of what is counted must come anew before the next time. */
  private prune(): void {
    const sorted = Float64Array.from(this.counts.values()).sort()
    const least = sorted[sorted.length - 1 - Math.floor(this.most / 2)]
    for (const [name, count] of this.counts) this.change(name, -Math.min(count, least))
  }
}
