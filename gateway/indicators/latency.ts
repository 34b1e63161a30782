/** What is older than this counts no longer. */
const SPAN_MS = 300_000

/** Nearest rank: of 300 values the 297th. Null when there are none. */
export const p99 = (values: readonly number[]): number | null => {
  if (values.length === 0) return null
  return [...values].sort((a, b) => a - b)[Math.ceil(0.99 * values.length) - 1]
}

/** Latencies that were measured in the last five minutes. `monotonic` is in milliseconds. */
export const createLatency = (monotonic: () => number) => {
  const measured: { at: number; seconds: number }[] = []
  const forget = (): void => {
    const before = monotonic() - SPAN_MS
    while (measured.length > 0 && measured[0].at < before) measured.shift()
  }
  return {
    observe(seconds: number): void {
      forget()
      measured.push({ at: monotonic(), seconds })
    },
    /**
     * What is under way counts with the time that it has taken so far, so the result grows while nothing arrives. Null
     * before anything was sent.
     */
    p99(underWay: readonly number[]): number | null {
      forget()
      return p99([...measured.map(({ seconds }) => seconds), ...underWay])
    },
  }
}
