import type { EventLine } from '#schema/event.ts'

/** A session, told the long way. */
export interface ModelSession {
  source: string
  key: string
  /** In the order of their times; of equal ones in the order of arrival. */
  lines: EventLine[]
  start: number
  /** Last event + gap. */
  end: number
}

const byTime = (a: EventLine, b: EventLine): number => a.time - b.time

/** Sessions by the plain rule: the times of each source and key in order, cut where the gap is longer. */
const sessionsOf = (lines: readonly EventLine[], gap: number): ModelSession[] => {
  const sessions: ModelSession[] = []
  for (const line of lines.toSorted(byTime)) {
    const last = sessions.at(-1)
    if (last && line.time <= last.end) {
      last.lines.push(line)
      last.end = line.time + gap
    } else {
      sessions.push({ source: line.source, key: line.key, lines: [line], start: line.time, end: line.time + gap })
    }
  }
  return sessions
}

/** The sessions of one gap that some metric knows, event by event. Nothing is ever forgotten. */
export const createSessionModel = (gap: number) => {
  const lines = new Map<string, EventLine[]>()
  /** Where each session was seen to have ended, by all that it is. */
  const ended = new Map<string, number>()
  const corrections = new Set<EventLine>()
  const linesOf = ({ source, key }: EventLine): EventLine[] => {
    const text = JSON.stringify([source, key])
    const known = lines.get(text) ?? []
    lines.set(text, known)
    return known
  }
  const identity = ({ source, key, start, end, lines: all }: ModelSession): string =>
    JSON.stringify([source, key, start, end, all.length])
  const all = (): ModelSession[] => [...lines.values()].flatMap((some) => sessionsOf(some, gap))

  return {
    gap,
    all,
    /** Notes whether the event corrects what had ended, or has ended itself when it comes. */
    add(line: EventLine, watermark: number): void {
      const known = linesOf(line)
      const touched = sessionsOf(known, gap).filter(({ start, end }) => line.time >= start - gap && line.time <= end)
      if ([...touched.map(({ end }) => end), line.time + gap].some((end) => watermark >= end)) corrections.add(line)
      known.push(line)
    },
    isCorrection: (line: EventLine): boolean => corrections.has(line),
    /** Watermarks stand here after a message of the log. */
    end(sequence: number, watermarkOf: (source: string) => number): void {
      for (const session of all()) {
        const id = identity(session)
        if (session.end <= watermarkOf(session.source) && !ended.has(id)) ended.set(id, sequence)
      }
    },
    /** Sessions that have ended, and where that was seen. */
    ended: (watermarkOf: (source: string) => number): { session: ModelSession; sequence: number }[] =>
      all().flatMap((session) => {
        const sequence = ended.get(identity(session))
        return sequence !== undefined && session.end <= watermarkOf(session.source) ? [{ session, sequence }] : []
      }),
  }
}

export type SessionModel = ReturnType<typeof createSessionModel>
