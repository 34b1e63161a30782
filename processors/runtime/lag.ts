/**
 * Age of the oldest message of a partition's log that no checkpoint has settled. Times are milliseconds since 1970: the
 * broker's of the messages, the owner's of now.
 */
export const createLag = () => {
  /** Of the oldest message that was read and not sealed; that the checkpoint under way settles. */
  let read: number | undefined
  let committing: number | undefined
  /** Since when messages are known to be there of which none was read: at least so old is the oldest. */
  let unreadSince: number | undefined
  return {
    read(storedAt: number): void {
      read ??= storedAt
      unreadSince = undefined
    },
    sealed(): void {
      committing = read
      read = undefined
    },
    committed(): void {
      committing = undefined
    },
    /** 0 when everything is settled. `unread`: messages of the log that were not read. */
    seconds(unread: number, now: number): number {
      unreadSince = unread > 0 ? (unreadSince ?? now) : undefined
      return Math.max(0, now - (committing ?? read ?? unreadSince ?? now)) / 1_000
    },
  }
}
