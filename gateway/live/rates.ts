import type { WallClock } from '#gateway/ports.ts'

const SPAN_SECONDS = 10

/** Events per second of each tenant, over the last ten whole seconds. */
export const createRates = (clock: WallClock) => {
  const counts = new Map<string, Map<number, number>>()
  const second = (): number => Math.floor(clock.now() / 1_000)
  return {
    add(tenant: string, events: number): void {
      const now = second()
      let bySecond = counts.get(tenant)
      if (!bySecond) {
        bySecond = new Map()
        counts.set(tenant, bySecond)
      }
      bySecond.set(now, (bySecond.get(now) ?? 0) + events)
      for (const at of bySecond.keys()) if (at < now - SPAN_SECONDS) bySecond.delete(at)
    },
    perSecond(tenant: string): number {
      const now = second()
      let sum = 0
      for (const [at, events] of counts.get(tenant) ?? []) if (at >= now - SPAN_SECONDS && at < now) sum += events
      return sum / SPAN_SECONDS
    },
  }
}
