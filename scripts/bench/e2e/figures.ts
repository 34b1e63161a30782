import type { Books } from './books.ts'
import { percentilesOf } from './latency.ts'
import type { Sample } from './sampler.ts'
import { slopeOf } from './trend.ts'
import type { Trial } from './trial.ts'

/** What a trial comes to. Rates are events a second of the measured time, latencies milliseconds. */
export interface TrialFigures {
  rate: number
  seconds: number
  batch: number
  connections: number
  protocol: string
  bytesPerEvent: number
  acceptedPerSecond: number
  settledPerSecond: number
  storedPerSecond: number
  archivedPerSecond: number
  accepted: number
  repeated: number
  refused: Record<string, number>
  unanswered: number
  unsent: number
  /** From when a request was due to its receipt. */
  ingestP50Ms: number
  ingestP99Ms: number
  ingestP999Ms: number
  /** From the acknowledgement to a dashboard's push. */
  p50Ms: number
  p99Ms: number
  p999Ms: number
  /** From the acknowledgement to a row that SQL answers. */
  p50ToOlapMs: number
  p99ToOlapMs: number
  p999ToOlapMs: number
  markers: { acknowledged: number; refused: number; skipped: number; notPushed: number; notStored: number }
  /** Events while a burst lasted. */
  bursts: { rate: number; seconds: number; accepted: number; refused: number }[]
  /** Processor time until all was stored and archived, by kind of process. */
  cpuMicrosPerEvent: Record<string, number>
  maxRssMb: Record<string, number>
  /** Events behind, at most, at the end of the load, and how that grew. */
  lag: { maxEvents: number; endEvents: number; growthPerSecond: number; maxSeconds: number }
  books: Books | null
  dashboards: { dashboards: number; updates: number; bytes: number }
}

const digits = (value: number, places = 2): number => Number(value.toFixed(places))

const percentilesOfLoad = ({ load }: Trial) => {
  const at = percentilesOf(load.latency)
  return { ingestP50Ms: at(50), ingestP99Ms: at(99), ingestP999Ms: at(99.9) }
}

const eventsWhile = (trial: Trial): number =>
  trial.loadSeconds.filter(({ second }) => second >= 0).reduce((sum, { accepted }) => sum + accepted, 0)

const cpuMicros = ({ begin, drained }: Trial, events: number): Record<string, number> =>
  Object.fromEntries(
    Object.entries(drained.usage).map(([kind, { cpuSeconds }]) => {
      const used = cpuSeconds - (begin.usage[kind]?.cpuSeconds ?? 0)
      return [kind, digits((1e6 * used) / Math.max(1, events))]
    }),
  )

const burstsOf = ({ options, loadSeconds }: Trial): TrialFigures['bursts'] =>
  options.bursts.map(({ rate, seconds, atSeconds }) => {
    const its = loadSeconds.filter(({ second }) => second >= atSeconds && second < atSeconds + seconds)
    return {
      rate,
      seconds,
      accepted: its.reduce((sum, { accepted }) => sum + accepted, 0),
      refused: its.reduce((sum, { refused }) => sum + refused, 0),
    }
  })

const maxRss = (samples: readonly Sample[]): Record<string, number> => {
  const most: Record<string, number> = {}
  for (const { usage } of samples) {
    for (const [kind, { rssMb }] of Object.entries(usage)) most[kind] = Math.max(most[kind] ?? 0, rssMb)
  }
  return most
}

const lagOf = ({ samples, options, end }: Trial): TrialFigures['lag'] => {
  const measured = samples.filter(({ at }) => at >= 0 && at <= options.seconds + 1)
  return {
    maxEvents: Math.max(0, ...measured.map(({ lag }) => lag.pendingEvents)),
    endEvents: end.lag.pendingEvents,
    growthPerSecond: Math.round(slopeOf(measured.map(({ at, lag }) => [at, lag.pendingEvents] as const))),
    maxSeconds: digits(Math.max(0, ...measured.map(({ lag }) => lag.lagSeconds))),
  }
}

const ratesOf = ({ begin, end }: Trial) => {
  const seconds = end.at - begin.at
  const rate = (stage: keyof Sample['stages']): number =>
    Math.round((end.stages[stage] - begin.stages[stage]) / seconds)
  return { settledPerSecond: rate('settled'), storedPerSecond: rate('stored'), archivedPerSecond: rate('archived') }
}

export const figuresOf = (trial: Trial): TrialFigures => {
  const { options, load, markers, unseen, books, dashboards } = trial
  const { pushed, stored, counts } = markers
  const events = eventsWhile(trial)
  return {
    rate: options.rate,
    seconds: options.seconds,
    batch: options.batch,
    connections: options.connections,
    protocol: options.protocol,
    bytesPerEvent: Math.round(load.bytesPerEvent),
    acceptedPerSecond: Math.round(events / options.seconds),
    ...ratesOf(trial),
    accepted: load.accepted,
    repeated: load.repeated,
    refused: load.refused,
    unanswered: load.unanswered,
    unsent: load.unsent,
    ...percentilesOfLoad(trial),
    p50Ms: pushed.percentile(50),
    p99Ms: pushed.percentile(99),
    p999Ms: pushed.percentile(99.9),
    p50ToOlapMs: stored.percentile(50),
    p99ToOlapMs: stored.percentile(99),
    p999ToOlapMs: stored.percentile(99.9),
    markers: { ...counts, notPushed: unseen.pushes, notStored: unseen.rows },
    bursts: burstsOf(trial),
    cpuMicrosPerEvent: cpuMicros(trial, events),
    maxRssMb: maxRss(trial.samples),
    lag: lagOf(trial),
    books,
    dashboards,
  }
}
