/** Bytes that were taken. */
export interface Lease {
  readonly bytes: number
  /** Keeps so many and gives the rest back; more where what came was more. */
  resize(bytes: number): void
  release(): void
}

/** Bounds what all connections together hold in memory. Who waits is served in order. */
export const createByteBudget = (mostBytes: number) => {
  let taken = 0
  const waiting: { bytes: number; give: () => void }[] = []

  const serve = (): void => {
    while (waiting.length > 0 && (taken === 0 || taken + waiting[0].bytes <= mostBytes)) waiting.shift()!.give()
  }
  const lease = (bytes: number): Lease => {
    let held = bytes
    taken += bytes
    const resize = (wanted: number): void => {
      taken += wanted - held
      held = wanted
      serve()
    }
    return {
      get bytes() {
        return held
      },
      resize,
      release: () => resize(0),
    }
  }
  const tryTake = (bytes: number): Lease | null =>
    waiting.length === 0 && taken + bytes <= mostBytes ? lease(bytes) : null

  return {
    taken: () => taken,
    /** A share of what is free, so that a few that read slowly do not take all: at most `most`, at least `least`. */
    share: (most: number, least: number): number =>
      Math.min(most, Math.max(least, Math.floor((mostBytes - taken) / 4))),
    /** Null where there is no room. */
    tryTake,
    /** Null where there was no room within the time. */
    take(bytes: number, waitMs: number): Promise<Lease | null> {
      const now = tryTake(bytes)
      if (now) return Promise.resolve(now)
      return new Promise((resolve) => {
        const waiter = {
          bytes,
          give: () => {
            clearTimeout(timer)
            resolve(lease(bytes))
          },
        }
        const timer = setTimeout(() => {
          waiting.splice(waiting.indexOf(waiter), 1)
          serve()
          resolve(null)
        }, waitMs)
        waiting.push(waiter)
        serve()
      })
    },
  }
}

export type ByteBudget = ReturnType<typeof createByteBudget>
