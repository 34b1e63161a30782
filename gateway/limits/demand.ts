/** Intervals between reports that are remembered: who waits for its Retry-After still wants its share. */
const REMEMBERED = 4

/** What was asked for, a second: the most of the last few intervals. */
export class Demand {
  private now = 0
  private readonly past: number[] = []

  add(amount: number): void {
    this.now += amount
  }

  /** The demand, if the interval under way is so many milliseconds long. */
  look(ms: number): number {
    return Math.max((this.now * 1_000) / ms, ...this.past)
  }

  /** The same, and the next interval begins. */
  close(ms: number): number {
    const demand = this.look(ms)
    this.past.push((this.now * 1_000) / ms)
    this.now = 0
    if (this.past.length > REMEMBERED) this.past.shift()
    return demand
  }
}
