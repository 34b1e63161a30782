import { LIVE_SOURCE } from '#schema/event.ts'
import type { TickClock } from '#schema/frame.ts'

/** A clock of the own partition as the idle rule sees it. Times in milliseconds of one clock of the owner's. */
export interface ClockActivity {
  tenant: string
  source: string
  watermark: number
  idle: boolean
  /** When its last event was read, or when the partition was taken over. */
  lastEventAt: number
  /** When its last tick was appended; undefined when none was since the last event. */
  lastTickAt?: number
  /** Whether a window of its tenant could still change its status. */
  open: boolean
}

export interface IdleSettings {
  liveIdleMs: number
  /** Imports wait longer: nobody needs their windows closed fast, and a sender may be retrying. */
  importIdleMs: number
}

export const idleTimeout = (source: string, settings: IdleSettings): number =>
  source === LIVE_SOURCE ? settings.liveIdleMs : settings.importIdleMs

/**
 * What an idle clock is raised to. It follows the lowest active partition of its tenant and source, as that one stood an
 * idle time-out ago: what is under way to this partition may be as old. When all are idle it moves on at the rate of
 * the clock from where it was. Null: no tick is due.
 */
export const idleTick = (
  clock: ClockActivity,
  now: number,
  settings: IdleSettings,
  /** Lowest active watermark of the other partitions an idle time-out ago; undefined when none is active. */
  lowestActive: number | undefined,
): TickClock | null => {
  const idleSince = clock.lastEventAt + idleTimeout(clock.source, settings)
  if (now < idleSince) return null
  const { tenant, source } = clock
  // The first tick says that the clock is idle, so that it holds nobody back; later ones only while something is open.
  if (clock.idle && !clock.open) return null
  const elapsed = now - Math.max(clock.lastTickAt ?? idleSince, idleSince)
  // Watermarks are whole milliseconds; a clock that is finer than that must not show in them.
  const target = lowestActive ?? clock.watermark + Math.floor(Math.max(0, elapsed))
  if (clock.idle && target <= clock.watermark) return null
  return { tenant, source, watermark: Math.max(target, clock.watermark) }
}
