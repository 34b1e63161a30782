/** What is to be over by then. */
export interface Deadline {
  readonly at: number
  readonly onOver: () => void
}

/**
 * Deadlines of much that is nearly always done long before: one timer looks after all of them, where each one's own would
 * have to be set and cleared. What is late is found late by up to `lookMs`.
 */
export class Deadlines {
  private readonly lookMs: number
  private readonly open = new Set<Deadline>()
  private timer: NodeJS.Timeout | undefined

  constructor(lookMs: number) {
    this.lookMs = lookMs
  }

  /** Calls `onOver` once, in so many milliseconds, unless it is deleted. */
  add(ms: number, onOver: () => void): Deadline {
    const deadline = { at: performance.now() + ms, onOver }
    this.open.add(deadline)
    this.timer ??= setInterval(() => this.look(), this.lookMs)
    return deadline
  }

  delete(deadline: Deadline): void {
    this.open.delete(deadline)
  }

  private look(): void {
    const now = performance.now()
    for (const deadline of this.open) {
      if (now < deadline.at) continue
      this.open.delete(deadline)
      deadline.onOver()
    }
    if (this.open.size > 0) return
    clearInterval(this.timer)
    this.timer = undefined
  }
}
