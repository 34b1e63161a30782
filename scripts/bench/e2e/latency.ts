import { decodeFromCompressedBase64, encodeIntoCompressedBase64, type Histogram } from 'hdr-histogram-js'
import { createHistogram, LONGEST_MS } from '../load/generator.ts'

/** Latencies of one second of a run, milliseconds. */
export interface LatencySecond {
  second: number
  count: number
  p50Ms: number
  p99Ms: number
  maxMs: number
}

/** Latencies of a run: all together in an HdrHistogram, and by the second in which their clock began. */
export interface LatencyRecord {
  /** `atSeconds` from the begin of the run; times before it are not recorded. */
  record(atSeconds: number, latencyMs: number): void
  count(): number
  /** Milliseconds; 0 where nothing was recorded. */
  percentile(percent: number): number
  seconds(): LatencySecond[]
  /** HdrHistogram of microseconds, compressed, in base64. */
  encoded(): string
}

const digits = (ms: number): number => Math.round(ms * 100) / 100
const msOf = (histogram: Histogram, percent: number): number =>
  histogram.totalCount === 0 ? 0 : digits(histogram.getValueAtPercentile(percent) / 1_000)

/** Percentiles of an encoded histogram, milliseconds. */
export const percentilesOf = (encoded: string): ((percent: number) => number) => {
  const histogram = decodeFromCompressedBase64(encoded) as Histogram
  return (percent) => msOf(histogram, percent)
}

export const createLatencyRecord = (): LatencyRecord => {
  const all = createHistogram()
  const bySecond = new Map<number, number[]>()
  return {
    record(atSeconds, latencyMs) {
      if (atSeconds < 0) return
      all.recordValue(Math.round(1_000 * Math.min(LONGEST_MS, Math.max(0.001, latencyMs))))
      const second = Math.floor(atSeconds)
      const times = bySecond.get(second)
      if (times) times.push(latencyMs)
      else bySecond.set(second, [latencyMs])
    },
    count: () => all.totalCount,
    percentile: (percent) => msOf(all, percent),
    seconds: () =>
      [...bySecond]
        .sort(([a], [b]) => a - b)
        .map(([second, times]) => {
          const sorted = times.toSorted((a, b) => a - b)
          const at = (share: number) => digits(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))])
          return { second, count: times.length, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) }
        }),
    encoded: () => encodeIntoCompressedBase64(all),
  }
}
