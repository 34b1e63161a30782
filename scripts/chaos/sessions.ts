/** What places an event in a session. */
export interface InSession {
  source: string
  key: string
  timeMs: number
}

/** Events of one source and key that follow each other by at most the gap. */
export interface CountedSession<E> {
  key: string
  startMs: number
  lastMs: number
  /** In the order of their times. */
  events: E[]
}

/** By the plain rule: the events of each source and key in the order of their times, cut where the gap is longer. */
export function* sessionsOf<E extends InSession>(events: Iterable<E>, gapMs: number): Generator<CountedSession<E>> {
  for (const together of Map.groupBy(events, ({ source, key }) => JSON.stringify([source, key])).values()) {
    let session: CountedSession<E> | undefined
    for (const event of together.sort((a, b) => a.timeMs - b.timeMs)) {
      const { key, timeMs } = event
      if (session && timeMs <= session.lastMs + gapMs) {
        session.events.push(event)
        session.lastMs = timeMs
        continue
      }
      if (session) yield session
      session = { key, startMs: timeMs, lastMs: timeMs, events: [event] }
    }
    if (session) yield session
  }
}
