/** Numbers of markers that were acknowledged and are still to be seen in one place, by lane. Times in milliseconds. */
export interface MarkerBook {
  /** A marker has its acknowledgement. */
  acknowledged(lane: number, number: number, at: number): void
  /** All of a lane up to this number are there. */
  seen(lane: number, upTo: number, at: number): void
  /** When the oldest that is still to be seen was acknowledged. */
  oldest(): number | undefined
  waiting(): number
}

interface Lane {
  seen: number
  /** In the order of their numbers. */
  waiting: { number: number; at: number }[]
}

/**
 * Holds acknowledgements against sightings. Markers of a lane grow in number and share a partition, so one that is there
 * tells that those before it are. One that is seen before its acknowledgement took no time.
 */
export const createMarkerBook = (onSeen: (acknowledgedAt: number, latencyMs: number) => void): MarkerBook => {
  const lanes = new Map<number, Lane>()
  const laneOf = (lane: number): Lane => {
    const known = lanes.get(lane) ?? { seen: 0, waiting: [] }
    lanes.set(lane, known)
    return known
  }
  return {
    acknowledged(lane, number, at) {
      const { seen, waiting } = laneOf(lane)
      if (number <= seen) return onSeen(at, 0)
      waiting.push({ number, at })
      waiting.sort((a, b) => a.number - b.number)
    },
    seen(lane, upTo, at) {
      const its = laneOf(lane)
      if (upTo <= its.seen) return
      its.seen = upTo
      while (its.waiting.length > 0 && its.waiting[0].number <= upTo) {
        const { at: since } = its.waiting.shift()!
        onSeen(since, at - since)
      }
    },
    oldest() {
      const firsts = [...lanes.values()].flatMap(({ waiting }) => waiting.map(({ at }) => at))
      return firsts.length === 0 ? undefined : Math.min(...firsts)
    },
    waiting: () => [...lanes.values()].reduce((sum, { waiting }) => sum + waiting.length, 0),
  }
}
