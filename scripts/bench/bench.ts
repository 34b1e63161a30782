import type { Args, OptionSpec } from '#scripts/lib/args.ts'

/** One of the measurements of `npm run bench`. */
export interface Bench<N extends string = string> {
  /** What it measures, in a line. */
  summary: string
  options: Record<N, OptionSpec>
  /** `say` is for people: progress and tables. Answers what the JSON line says. */
  run(args: Args<N | 'help' | 'json'>, say: (line: string) => void): Promise<object>
}

/** Time of each call and processor time of all of them, which a busy machine stretches less; milliseconds. */
export const timeEach = async <T>(items: readonly T[], call: (item: T) => Promise<unknown>) => {
  const times: number[] = []
  const before = process.cpuUsage()
  for (const item of items) {
    const startedAt = performance.now()
    await call(item)
    times.push(performance.now() - startedAt)
  }
  const { user, system } = process.cpuUsage(before)
  return { times, cpuMs: (user + system) / 1_000 }
}

const round = (ms: number): number => Math.round(ms * 100) / 100

/** First of all, median, 99th percentile, longest, and processor time of one; milliseconds. */
export const summarize = ({ times, cpuMs }: { times: readonly number[]; cpuMs: number }) => {
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number): number => round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))])
  return {
    firstMs: round(times[0]),
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    maxMs: at(1),
    cpuMs: round(cpuMs / times.length),
  }
}
