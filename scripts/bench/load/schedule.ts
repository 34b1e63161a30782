/** Another rate for a while, from so many seconds after the begin. */
export interface Burst {
  atSeconds: number
  seconds: number
  /** Events a second. */
  rate: number
}

export interface ScheduleOptions {
  /** Events a second. */
  rate: number
  seconds: number
  /** In their order; they do not overlap. */
  bursts?: readonly Burst[]
  /** Events of one request. */
  batch: number
}

interface Segment {
  /** Milliseconds from the begin. */
  end: number
  requestsPerMs: number
}

const segmentsOf = ({ rate, seconds, bursts = [], batch }: ScheduleOptions): Segment[] => {
  const segment = (endSeconds: number, eventsPerSecond: number): Segment => ({
    end: 1_000 * Math.min(seconds, endSeconds),
    requestsPerMs: eventsPerSecond / batch / 1_000,
  })
  const before = bursts.flatMap((burst) => [
    segment(burst.atSeconds, rate),
    segment(burst.atSeconds + burst.seconds, burst.rate),
  ])
  return [...before, segment(seconds, rate)]
}

/**
 * When each request is due, milliseconds from the begin, evenly spaced and whatever the answers do: an open loop. A
 * further call gives the next; undefined when the time is over.
 */
export const createSchedule = (options: ScheduleOptions): (() => number | undefined) => {
  const segments = segmentsOf(options)
  let at = 0
  let current = 0
  return () => {
    for (let missing = 1; current < segments.length; current++) {
      const { end, requestsPerMs } = segments[current]
      const inSegment = Math.max(0, end - at) * requestsPerMs
      if (inSegment >= missing) {
        at += missing / requestsPerMs
        return at
      }
      missing -= inSegment
      at = Math.max(at, end)
    }
    return undefined
  }
}
