import type { Clock } from '#schema/checkpoint.ts'

/** Clock of one (tenant, source) in one partition. It never goes back. */
export class SourceClock {
  readonly tenant: string
  readonly source: string
  /** -Infinity before the first event. */
  watermark = Number.NEGATIVE_INFINITY
  idle = false
  /** Differs from what the last checkpoint said. */
  changed = false
  private candidate = Number.NEGATIVE_INFINITY

  constructor(tenant: string, source: string) {
    this.tenant = tenant
    this.source = source
  }

  /**
   * An event of the frame that is being read. It takes effect at the frame's end: every frame is judged by the watermark
   * before it. The least of the three times counts, so that an event from the future pushes nobody.
   */
  observe(eventTime: number, receivedAt: number, storedAt: number, outOfOrdernessMs: number): void {
    const candidate = Math.min(eventTime, receivedAt, storedAt) - outOfOrdernessMs
    if (candidate > this.candidate) this.candidate = candidate
  }

  endFrame(): void {
    if (this.candidate > this.watermark) {
      this.watermark = this.candidate
      this.changed = true
    }
    if (this.idle) {
      this.idle = false
      this.changed = true
    }
  }

  /** A tick in the log: it can only raise, so a stale one is harmless. */
  tick(watermark: number): void {
    if (watermark > this.watermark) this.watermark = watermark
    this.idle = true
    this.changed = true
  }

  restore(clock: Clock): void {
    this.watermark = clock.watermark
    this.idle = clock.idle
  }

  toJson(): Clock {
    return { tenant: this.tenant, source: this.source, watermark: this.watermark, idle: this.idle }
  }
}

/** Late: older than the watermark by more than the horizon. For everything at once, unlike Flink's rule per window. */
export const isLate = (eventTime: number, watermark: number, horizonMs: number): boolean =>
  eventTime < watermark - horizonMs

const MINUTE_MS = 60_000
export const minuteOf = (time: number): number => Math.floor(time / MINUTE_MS)

/** First minute in which an event may still count: identities of earlier ones are forgotten. */
export const firstLiveMinute = (watermark: number, horizonMs: number): number =>
  watermark === Number.NEGATIVE_INFINITY ? 0 : minuteOf(watermark - horizonMs)
