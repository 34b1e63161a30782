/** What became of an identity, as far as its sender knows. */
export type Fate = 'OPEN' | 'ACCEPTED' | 'REJECTED' | 'ABANDONED'

export type Value = string | number | null

/** An event that was sent at least once. */
export interface Sent {
  id: string
  source: string
  key: string
  name: string
  /** Event time, milliseconds since 1970; null where the sender leaves it to the gateway. */
  timeMs: number | null
  user: string
  properties: Record<string, Value>
  /** It must be turned down at the door. */
  refusable: boolean
  fate: Fate
}

/** Every identity that was ever sent; ids are unique over all clients. */
export interface Book {
  sent: ReadonlyMap<string, Sent>
  note(events: readonly Sent[]): void
  count(fate: Fate): number
}

export const createBook = (): Book => {
  const sent = new Map<string, Sent>()
  return {
    sent,
    note: (events) => {
      for (const event of events) sent.set(event.id, event)
    },
    count: (fate) => {
      let count = 0
      for (const event of sent.values()) if (event.fate === fate) count++
      return count
    },
  }
}
