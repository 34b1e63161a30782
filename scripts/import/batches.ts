/** An event on its way, with its line in the file. */
export interface BatchEvent {
  line: number
  json: string
}

/** One request's events, one a line of `ndjson`; `lines[i]` is the line in the file of the i-th event. */
export interface Batch {
  ndjson: string
  lines: number[]
}

/** Below the collector's limit of one request. Bytes of UTF-8. */
const MAX_BATCH_BYTES = 900_000

/** Groups events, in order, into requests of at most `maxEvents` events and 900 kB; an event beyond that goes alone. */
export const createBatches = (maxEvents: number) => {
  let events: BatchEvent[] = []
  let bytes = 0
  const take = (): Batch | undefined => {
    if (events.length === 0) return undefined
    const batch = { ndjson: events.map(({ json }) => json).join('\n'), lines: events.map(({ line }) => line) }
    events = []
    bytes = 0
    return batch
  }
  return {
    /** A batch that is full, when this event does not fit into it any more. */
    add: (event: BatchEvent): Batch | undefined => {
      const size = Buffer.byteLength(event.json) + 1
      const full = events.length >= maxEvents || bytes + size > MAX_BATCH_BYTES ? take() : undefined
      events.push(event)
      bytes += size
      return full
    },
    /** What is left at the end. */
    rest: take,
  }
}
