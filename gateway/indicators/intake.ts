import type { VerdictCode } from '#schema/errors.ts'

const SPAN_SECONDS = 60

/** What was right and yet not taken. A whole request that fails with UNAVAILABLE is made of events that are OVERLOADED. */
const DROPS: ReadonlySet<VerdictCode> = new Set(['OVERLOADED', 'SHED'])

/** Events of the last minute by whether Millrace took them. `monotonic` is in milliseconds. */
export const createIntake = (monotonic: () => number) => {
  const seconds = new Map<number, { received: number; dropped: number }>()
  const current = (): number => Math.floor(monotonic() / 1_000)
  const forget = (now: number): void => {
    for (const second of seconds.keys()) if (second <= now - SPAN_SECONDS) seconds.delete(second)
  }
  /** Made at the first request of the second; only then there can be one that is over. */
  const countsOf = (now: number) => {
    let counts = seconds.get(now)
    if (!counts) {
      forget(now)
      counts = { received: 0, dropped: 0 }
      seconds.set(now, counts)
    }
    return counts
  }
  return {
    /** `refused`: one code an event. To be told once it is known what became of them. */
    note(accepted: number, refused: readonly VerdictCode[]): void {
      const counts = countsOf(current())
      counts.received += accepted + refused.length
      for (const code of refused) if (DROPS.has(code)) counts.dropped++
    },
    /** Share that was not taken, 0 to 1. What the client got wrong was received, but is no drop. */
    dropRate(): number {
      forget(current())
      let [received, dropped] = [0, 0]
      for (const counts of seconds.values()) {
        received += counts.received
        dropped += counts.dropped
      }
      return received === 0 ? 0 : dropped / received
    },
  }
}

export type Intake = ReturnType<typeof createIntake>
