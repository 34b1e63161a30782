/**
 * Age of the oldest message of a partition's log that no checkpoint has settled. Times are milliseconds since 1970: the
 * broker's of the messages, the owner's of now.
 */
export const createLag = () => {
  /** Of the oldest message that was read and not sealed; that the checkpoint under way settles. */
  let read: number | undefined
  let committing: number | undefined
  return {
    read(storedAt: number): void {
      read ??= storedAt
    },
    sealed(): void {
      committing = read
      read = undefined
    },
    committed(): void {
      committing = undefined
    },
    /** 0 when everything is settled. `unreadSince`: since when messages are known to be there that were not read. */
    seconds(unreadSince: number | undefined, now: number): number {
      return Math.max(0, now - (committing ?? read ?? unreadSince ?? now)) / 1_000
    },
  }
}

/**
 * How far a partition is behind: the time that what is pending takes at the rate at which events are read. The age of the
 * oldest message says it too late, and too much where a burst is nearly worked off; but nothing is farther behind than it.
 */
export const secondsBehind = (lagSeconds: number, pendingEvents: number, perSecond: number): number =>
  Math.min(lagSeconds, perSecond > 0 ? pendingEvents / perSecond : lagSeconds)
