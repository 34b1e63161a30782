/** A marker that is in the log. */
export interface SentMarker {
  partition: number
  number: number
  /** Place in its partition's log. */
  sequence: number
  /** When it was acknowledged, by the monotonic clock, milliseconds. */
  at: number
}

/** More than this wait in one partition only after hours: then the oldest and the newest say enough. */
const MOST_WAITING = 2_000

/** Markers that have not come to one place on their way yet. In one partition they come there in their order. */
export const createStage = (partitions: number) => {
  const waiting = Array.from({ length: partitions }, (): SentMarker[] => [])
  return {
    add(marker: SentMarker): void {
      const mine = waiting[marker.partition]
      if (mine.length >= MOST_WAITING) mine.pop()
      mine.push(marker)
    },
    /** The newest for which `isThere` holds is there, and so are all before it: they wait no longer. */
    arrive(partition: number, isThere: (marker: SentMarker) => boolean): SentMarker[] {
      const mine = waiting[partition] ?? []
      return mine.splice(0, mine.findLastIndex(isThere) + 1)
    },
    /** How long each that is waiting has been on its way, seconds. */
    ages: (now: number): number[] => waiting.flat().map(({ at }) => (now - at) / 1_000),
    /** The longest of these; 0 when none is waiting. */
    oldest: (now: number): number => Math.max(0, ...waiting.map(([first]) => (first ? (now - first.at) / 1_000 : 0))),
    isEmpty: (): boolean => waiting.every(({ length }) => length === 0),
  }
}
