import type { TickClock } from '#schema/frame.ts'
import type { PartitionReport } from '#schema/report.ts'
import type { PartitionFold } from '../windows/fold.ts'
import { type IdleSettings, idleTick, idleTimeout } from '../windows/idle.ts'
import type { SourceClock } from '../windows/watermark.ts'

interface Seen {
  at: number
  watermark: number
}

const clockKey = (tenant: string, source: string): string => `${tenant}\n${source}`

/**
 * Decides once a second which clocks of a partition are idle and what they are raised to. Advisory: its result only
 * counts once it stands in the log.
 */
export const createTicker = (partition: number, fold: PartitionFold, settings: IdleSettings, startedAt: number) => {
  const activity = new Map<SourceClock, { lastEventAt: number; lastTickAt?: number; isRead: boolean }>()
  /** What the other partitions' active clocks stood at, by partition and clock, oldest first. */
  const history = new Map<string, Seen[]>()

  const remember = (reports: readonly PartitionReport[], now: number): void => {
    const longest = Math.max(settings.liveIdleMs, settings.importIdleMs)
    for (const report of reports) {
      if (report.partition === partition) continue
      for (const clock of report.clocks) {
        const key = `${report.partition}\n${clockKey(clock.tenant, clock.source)}`
        if (clock.idle) {
          history.delete(key)
          continue
        }
        const seen = history.get(key) ?? []
        seen.push({ at: now, watermark: clock.watermark })
        while (seen.length > 1 && seen[1].at <= now - longest) seen.shift()
        history.set(key, seen)
      }
    }
  }

  /** Lowest of the active ones as they stood `ago` ms before now; those that are not known for so long do not count. */
  const lowestActive = (tenant: string, source: string, now: number, ago: number): number | undefined => {
    const suffix = `\n${clockKey(tenant, source)}`
    let lowest: number | undefined
    for (const [key, seen] of history) {
      if (!key.endsWith(suffix)) continue
      const then = seen.findLast(({ at }) => at <= now - ago)
      // An active one that is not known for that long holds everybody where they are.
      const watermark = then?.watermark ?? Number.NEGATIVE_INFINITY
      if (lowest === undefined || watermark < lowest) lowest = watermark
    }
    return lowest
  }

  return {
    /** A frame with events of this clock was read. */
    touched(clock: SourceClock, now: number): void {
      activity.set(clock, { lastEventAt: now, isRead: true })
    },
    /** When the last event of this clock was read, by the owner's monotonic clock; undefined: none since the take-over. */
    lastEventAt: (clock: SourceClock): number | undefined => {
      const known = activity.get(clock)
      return known?.isRead ? known.lastEventAt : undefined
    },
    /** Ticks that are due. `now` is the owner's monotonic clock. */
    due(reports: readonly PartitionReport[], now: number): TickClock[] {
      remember(reports, now)
      const ticks: TickClock[] = []
      for (const tenant of fold.tenants.values()) {
        for (const clock of tenant.clocks.values()) {
          const known = activity.get(clock) ?? { lastEventAt: startedAt, isRead: false }
          const tick = idleTick(
            {
              tenant: clock.tenant,
              source: clock.source,
              watermark: clock.watermark,
              idle: clock.idle,
              lastEventAt: known.lastEventAt,
              lastTickAt: known.lastTickAt,
              open: tenant.hasOpenWindows(clock.watermark),
            },
            now,
            settings,
            lowestActive(clock.tenant, clock.source, now, idleTimeout(clock.source, settings)),
          )
          if (!tick) continue
          ticks.push(tick)
          activity.set(clock, { ...known, lastTickAt: now })
        }
      }
      return ticks
    },
  }
}
