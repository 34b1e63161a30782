import { isDeepStrictEqual } from 'node:util'
import type { Sent } from './book.ts'

/** A row of raw_events. */
export interface StoredEvent extends Pick<Sent, 'id' | 'source' | 'key' | 'name' | 'properties'> {
  timeMs: number
  user: string | null
  /** Its place in the log. */
  partition: number
  sequence: number
}

/** A row of dead_letters. */
export interface StoredLetter {
  id: string
  key: string
  code: string
  timeMs: number
  watermarkMs: number | null
  storedMs: number
}

/** What became of the identities; each list names them. */
export interface Judgement {
  /** Acknowledged and nowhere. */
  lost: string[]
  /** More than once in raw_events and dead letters together. */
  duplicated: string[]
  /** Stored otherwise than it was sent, or never sent, or turned down and stored all the same. */
  strange: string[]
  /** Dead letters of events that were not late. */
  wronglyLate: string[]
  counted: number
  late: number
}

const countById = (rows: Iterable<{ id: string }>): Map<string, number> => {
  const counts = new Map<string, number>()
  for (const { id } of rows) counts.set(id, (counts.get(id) ?? 0) + 1)
  return counts
}

const differs = (row: StoredEvent, sent: Sent): boolean =>
  row.source !== sent.source ||
  row.key !== sent.key ||
  row.name !== sent.name ||
  row.user !== sent.user ||
  (sent.timeMs !== null && row.timeMs !== sent.timeMs) ||
  !isDeepStrictEqual(row.properties, sent.properties)

/** The rule of docs/semantics.md. A watermark is never ahead of the clock, which is the same one for all here. */
const isLate = ({ code, timeMs, watermarkMs, storedMs }: StoredLetter, horizonMs: number): boolean =>
  code === 'LATE' && watermarkMs !== null && timeMs < watermarkMs - horizonMs && watermarkMs <= storedMs

/** Holds what was sent against what is stored. */
export const judge = (
  sent: ReadonlyMap<string, Sent>,
  events: readonly StoredEvent[],
  letters: readonly StoredLetter[],
  horizonMs: number,
): Judgement => {
  const times = countById([...events, ...letters])
  const isStrange = (event: Sent | undefined): boolean => event === undefined || event.refusable
  return {
    lost: [...sent.values()].filter(({ id, fate }) => fate === 'ACCEPTED' && !times.has(id)).map(({ id }) => id),
    duplicated: [...times].filter(([, count]) => count > 1).map(([id]) => id),
    strange: [
      ...[...times.keys()].filter((id) => isStrange(sent.get(id))),
      ...events.filter((row) => sent.has(row.id) && differs(row, sent.get(row.id)!)).map(({ id }) => id),
    ],
    wronglyLate: letters.filter((letter) => !isLate(letter, horizonMs)).map(({ id }) => id),
    counted: events.length,
    late: letters.length,
  }
}
