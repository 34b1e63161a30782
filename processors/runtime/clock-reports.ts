import type { ClockReport } from '#schema/report.ts'
import type { SourceClock } from '../windows/watermark.ts'

/** Characters of all clocks of one report: at three bytes each it fits a message of 1 MB with room to spare. */
const MOST_CHARS = 250_000

interface Sent {
  /** Number of the report that had it last. */
  turn: number
  watermark: number
  idle: boolean
}

const hasMoved = (clock: SourceClock, sent: Sent | undefined): boolean =>
  sent?.watermark !== clock.watermark || sent.idle !== clock.idle

/**
 * What each report of a partition says of its clocks. There may be more of them than a message holds (a clock is made
 * for every tenant and every source that clients name): then those that have moved go first, and among them those that
 * were not told for longest, so that every clock has its turn.
 */
export const createClockReports = (mostChars = MOST_CHARS) => {
  const sent = new Map<SourceClock, Sent>()
  let turn = 0

  const inOrder = (clocks: readonly SourceClock[]): SourceClock[] => {
    const rank = (clock: SourceClock): number => (hasMoved(clock, sent.get(clock)) ? 0 : 1)
    const age = (clock: SourceClock): number => sent.get(clock)?.turn ?? 0
    return clocks.toSorted((a, b) => rank(a) - rank(b) || age(a) - age(b))
  }

  return {
    /** As many clocks as a report holds, and how many it does not. `lastEventAt`: milliseconds since 1970. */
    next(
      clocks: readonly SourceClock[],
      lastEventAt: (clock: SourceClock) => number | undefined,
    ): { clocks: ClockReport[]; omitted: number } {
      turn++
      const told: ClockReport[] = []
      let chars = 0
      for (const clock of inOrder(clocks)) {
        const report = toReport(clock, lastEventAt(clock))
        chars += JSON.stringify(report).length + 1
        if (chars > mostChars && told.length > 0) break
        told.push(report)
        sent.set(clock, { turn, watermark: clock.watermark, idle: clock.idle })
      }
      return { clocks: told, omitted: clocks.length - told.length }
    },
  }
}

const toReport = (clock: SourceClock, lastEventAt: number | undefined): ClockReport => ({
  ...clock.toJson(),
  ...(clock.pushedBy ? { pushedBy: clock.pushedBy } : {}),
  ...(clock.ahead ? { ahead: clock.ahead } : {}),
  ...(lastEventAt === undefined ? {} : { lastEventAt }),
})
