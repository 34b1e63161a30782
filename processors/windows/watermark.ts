import type { Clock } from '#schema/checkpoint.ts'
import type { EventLine } from '#schema/event.ts'
import type { Ahead, PushedBy } from '#schema/report.ts'

/** An event whose time is ahead of its receipt by more than a wrong clock or a slow one explains. */
const AHEAD_MS = 60_000

/** The time that counts for a clock: the least of the three, so that an event from the future pushes nobody. */
const countedTime = ({ time, receivedAt }: EventLine, storedAt: number): number => Math.min(time, receivedAt, storedAt)

/** Clock of one (tenant, source) in one partition. It never goes back. */
export class SourceClock {
  readonly tenant: string
  readonly source: string
  /** -Infinity before the first event. */
  watermark = Number.NEGATIVE_INFINITY
  idle = false
  /** Differs from what the last checkpoint said. */
  changed = false
  /** Who moved it to where it stands; null: a tick, or an owner before this one. For people only, not in the state. */
  pushedBy: PushedBy | null = null
  /** The last frame with events from the future; null: none since the partition was taken over. */
  ahead: Ahead | null = null
  /** What a longer horizon must not open again; -Infinity: nothing. */
  private closed = Number.NEGATIVE_INFINITY
  private candidate = Number.NEGATIVE_INFINITY
  /** The event of the frame under way that has the highest candidate. */
  private highest: EventLine | null = null
  private aheadEvents = 0
  private aheadMs = 0

  constructor(tenant: string, source: string) {
    this.tenant = tenant
    this.source = source
  }

  /**
   * An event of the frame that is being read. It takes effect at the frame's end: every frame is judged by the watermark
   * before it.
   */
  observe(line: EventLine, storedAt: number, outOfOrdernessMs: number): void {
    const counted = countedTime(line, storedAt)
    const candidate = counted - outOfOrdernessMs
    if (candidate > this.candidate) {
      this.candidate = candidate
      this.highest = line
    }
    const ahead = line.time - counted
    if (ahead > AHEAD_MS) {
      this.aheadEvents++
      if (ahead > this.aheadMs) this.aheadMs = ahead
    }
  }

  endFrame(sequence: number, storedAt: number): void {
    if (this.candidate > this.watermark) {
      this.watermark = this.candidate
      this.changed = true
      if (this.highest) this.pushedBy = pusher(this.highest, sequence, storedAt)
    }
    this.highest = null
    if (this.aheadEvents > 0) this.ahead = { events: this.aheadEvents, byMs: this.aheadMs, sequence }
    this.aheadEvents = 0
    this.aheadMs = 0
    if (this.idle) {
      this.idle = false
      this.changed = true
    }
  }

  /** A tick in the log: it can only raise, so a stale one is harmless. */
  tick(watermark: number): void {
    if (watermark > this.watermark) {
      this.watermark = watermark
      this.pushedBy = null
    }
    this.idle = true
    this.changed = true
  }

  /** What is older is late. It never goes back. */
  closedBefore(horizonMs: number): number {
    return Math.max(this.closed, this.watermark - horizonMs)
  }

  /** The horizon has changed. What is known of times that were late before may be forgotten: they stay so. */
  keepClosed(beforeMs: number, nowMs: number): void {
    const closed = this.closedBefore(beforeMs)
    if (closed <= this.closedBefore(nowMs)) return
    this.closed = closed
    this.changed = true
  }

  restore(clock: Clock): void {
    this.watermark = clock.watermark
    this.idle = clock.idle
    this.closed = clock.closed ?? Number.NEGATIVE_INFINITY
  }

  toJson(): Clock {
    const { tenant, source, watermark, idle, closed } = this
    return { tenant, source, watermark, idle, ...(Number.isFinite(closed) ? { closed } : {}) }
  }
}

/** Made once a frame, of texts that the door has bounded. */
const pusher = (line: EventLine, sequence: number, storedAt: number): PushedBy => ({
  id: line.e.id,
  name: line.e.name,
  key: line.key,
  time: line.time,
  counted: countedTime(line, storedAt),
  sequence,
})

const MINUTE_MS = 60_000
export const minuteOf = (time: number): number => Math.floor(time / MINUTE_MS)

/** First minute in which an event may still count: identities of earlier ones are forgotten. */
export const firstLiveMinute = (closedBefore: number): number =>
  closedBefore === Number.NEGATIVE_INFINITY ? 0 : minuteOf(closedBefore)
