import type { Ahead, ClockReport, PartitionReport, PushedBy } from '#schema/report.ts'
import { formatTime } from '#schema/time.ts'

/** What is known of one partition: the last report of an owner, whether one is there now, and why none can be. */
export interface PartitionKnown {
  partition: number
  report?: PartitionReport
  isOwned: boolean
  /** Why a processor refused it, in words; undefined: none did. */
  refused?: string
}

/** Below this much lag, nothing holds a watermark back but the events themselves. */
const NOTABLE_LAG_SECONDS = 2

const rounded = (value: number): number => Math.round(value * 10) / 10

/** 120 ms, 5 s, 90 s, 12.5 min, 26 h. The unit is that of the rounded number: a millisecond less than 2 h is 2 h. */
export const inWords = (ms: number): string => {
  if (Math.round(ms) < 1_000) return `${Math.round(ms)} ms`
  if (rounded(ms / 1_000) < 120) return `${rounded(ms / 1_000)} s`
  if (rounded(ms / 60_000) < 120) return `${rounded(ms / 60_000)} min`
  return `${rounded(ms / 3_600_000)} h`
}

const noOwner = ({ report, refused }: PartitionKnown): string => {
  if (refused !== undefined) return `no processor can own the partition: ${refused}`
  const since = report ? `the last one reported at ${formatTime(report.at)}` : 'this gateway has heard of none'
  return `no processor owns the partition: ${since}`
}

const pushed = (by: PushedBy, watermark: number): string => {
  const key = by.key === by.id ? '' : `, key ${by.key}`
  const counted = by.counted < by.time ? ` (in the future: ${formatTime(by.counted)}, when it came, counts)` : ''
  const event = `event ${by.id} (${by.name}${key}) of ${formatTime(by.time)}${counted}`
  return `${event} in frame ${by.sequence} pushed it, less ${inWords(by.counted - watermark)}`
}

const ignored = (ahead: Ahead | undefined, by: PushedBy | undefined): string => {
  // An old one explains nothing of now.
  if (!ahead || ahead.sequence < (by?.sequence ?? 0)) return ''
  const events = ahead.events === 1 ? '1 event' : `${ahead.events.toLocaleString('en-US')} events`
  return `; times from the future in frame ${ahead.sequence} pushed nobody: ${events}, up to ${inWords(ahead.byMs)} ahead`
}

const idle = (clock: ClockReport, lowest: Holding | undefined): string => {
  const since = clock.lastEventAt === undefined ? '' : `, no event since ${formatTime(clock.lastEventAt)}`
  if (!lowest) return `idle${since}, and so is every partition: moves on with the wall clock while a window is open`
  return `idle${since}: follows partition ${lowest.partitions[0]}, whose clock is the lowest active one`
}

const active = ({ pushedBy, ahead, watermark }: ClockReport): string => {
  const by = pushedBy
    ? pushed(pushedBy, watermark)
    : 'no event has pushed it since it was idle or its owner took over: waits for a newer one'
  return by + ignored(ahead, pushedBy)
}

/** What keeps a clock where it is, in words. Null clock: the tenant has none in this partition. */
export const heldBy = (known: PartitionKnown, clock: ClockReport | null, lowest: Holding | undefined): string => {
  const { report, isOwned } = known
  if (!report || !isOwned) return noOwner(known)
  if (report.lagSeconds >= NOTABLE_LAG_SECONDS) {
    const waiting = `${report.pendingEvents.toLocaleString('en-US')} events are not settled yet`
    return `waits: ${waiting}, the oldest is ${inWords(report.lagSeconds * 1_000)} old`
  }
  if (!clock) {
    return report.omitted ? 'not told yet: the partition has very many clocks' : 'no event has come to this partition'
  }
  return clock.idle ? idle(clock, lowest) : active(clock)
}

/** Partitions whose clock is the lowest active one of a source. */
export interface Holding {
  watermark: number
  partitions: number[]
}

/** By source; of a tenant's clocks. A partition that nobody owns holds back where it stands. */
export const lowestActive = (clocks: Iterable<{ partition: number; clock: ClockReport }>): Map<string, Holding> => {
  const lowest = new Map<string, Holding>()
  for (const { partition, clock } of clocks) {
    if (clock.idle) continue
    const known = lowest.get(clock.source)
    if (!known || clock.watermark < known.watermark) {
      lowest.set(clock.source, { watermark: clock.watermark, partitions: [partition] })
    } else if (clock.watermark === known.watermark) known.partitions.push(partition)
  }
  return lowest
}

const names = (partitions: readonly number[]): string =>
  `${partitions.length === 1 ? 'partition' : 'partitions'} ${partitions.join(', ')}`

/** Who holds back the watermark of a source as a whole, in words. */
export const heldBackBy = (source: string, holding: Holding | undefined, idlePartitions: readonly number[]): string => {
  if (!holding) return `${source}: every partition is idle: time moves on with the wall clock while a window is open`
  const others = idlePartitions.length > 0 ? `; idle: ${names(idlePartitions)}` : ''
  return `${source}: ${names(holding.partitions)} at ${formatTime(holding.watermark)}${others}`
}
