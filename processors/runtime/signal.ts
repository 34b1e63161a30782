/** A condition that one loop fires and another awaits; a fire that nobody awaits is remembered once. */
export class Signal {
  private fired = false
  private waiting: (() => void)[] = []

  fire(): void {
    this.fired = true
    const waiting = this.waiting
    this.waiting = []
    for (const resume of waiting) resume()
  }

  /** Resolves at the next fire, or at once when one was missed, or when aborted. */
  async wait(signal: AbortSignal): Promise<void> {
    if (!this.fired && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const resume = (): void => {
          signal.removeEventListener('abort', resume)
          resolve()
        }
        this.waiting.push(resume)
        signal.addEventListener('abort', resume)
      })
    }
    this.fired = false
  }
}

/** Waits, or less when aborted. */
export const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (ms <= 0 || signal.aborted) return resolve()
    const done = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done)
  })
