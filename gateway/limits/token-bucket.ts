/** A bucket holds what comes in this time. */
const BURST_MS = 1_000

/** Tokens that come at a rate and are kept up to a second's worth. Times are monotonic, milliseconds. */
export class TokenBucket {
  private tokens: number
  private perMs: number
  private at: number

  /** Full at the beginning. `rate` in tokens a second. */
  constructor(rate: number, now: number) {
    this.perMs = rate / 1_000
    this.tokens = this.capacity
    this.at = now
  }

  /** At least one token, else nothing would ever be taken. */
  private get capacity(): number {
    return Math.max(1, this.perMs * BURST_MS)
  }

  /** Another rate from now on. What is there and no longer fits is given up: it is another bucket's now. */
  setRate(rate: number, now: number): void {
    this.refill(now)
    this.perMs = rate / 1_000
    this.tokens = Math.min(this.tokens, this.capacity)
  }

  /** How many things of `size` tokens each can be taken; one at least from a full bucket, however large it is. */
  room(size: number, now: number): number {
    this.refill(now)
    const whole = Math.max(0, Math.floor(this.tokens / size))
    return whole === 0 && this.tokens >= this.capacity ? 1 : whole
  }

  /** May go below zero, after room said that one more can be taken. */
  take(tokens: number): void {
    this.tokens -= tokens
  }

  /** Whole tokens that are there now. */
  left(now: number): number {
    this.refill(now)
    return Math.max(0, Math.floor(this.tokens))
  }

  /** Milliseconds until so many tokens are there, or as many as it holds. */
  waitMs(tokens: number, now: number): number {
    this.refill(now)
    return Math.max(0, (Math.min(tokens, this.capacity) - this.tokens) / this.perMs)
  }

  private refill(now: number): void {
    this.tokens = Math.min(this.capacity, this.tokens + Math.max(0, now - this.at) * this.perMs)
    this.at = now
  }
}
