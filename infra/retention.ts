import type { Kept } from '#schema/limits.ts'
import type { Config } from './config.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/** How long things are kept, as the settings say. */
export const keptBy = (config: Config): Kept => ({
  log: config.logDays * DAY_MS,
  // Without its settlement a frame tells nobody what counted.
  settlements: config.logDays * DAY_MS,
  aggregates: config.aggregatesHours * HOUR_MS,
  lateEvents: config.lateDays * DAY_MS,
  rawEvents: config.rawDays * DAY_MS,
  minlyAggs: config.minuteDays * DAY_MS,
  hourlyAggs: config.hourDays * DAY_MS,
  sessionAggs: config.hourDays * DAY_MS,
  archive: config.archiveDays * DAY_MS,
})
