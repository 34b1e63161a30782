import { type LatencyRecord, percentilesOf } from '../e2e/latency.ts'
import type { Result } from '../e2e/result.ts'
import type { Sample } from '../e2e/sampler.ts'
import type { Trial } from '../e2e/trial.ts'
import { type Axis, type Chart, type Line, renderChart } from './chart.ts'
import { renderPage } from './page.ts'

const count = (value: number): string => {
  if (value >= 1e6) return `${Number((value / 1e6).toFixed(1))}M`
  return value >= 1e4 ? `${Number((value / 1e3).toFixed(1))}k` : value.toLocaleString('en-US')
}
const TIME: Axis = { label: 'seconds', format: count }
const MS: Axis = { label: 'milliseconds', format: count }
const GOAL = { value: 500, label: 'promised: P99 under 500 ms' }

/** Percentiles as the place where they stand: each step to the right has a tenth of what was slower before. */
const PERCENTILES = [0, 50, 75, 90, 95, 98, 99, 99.5, 99.8, 99.9, 99.95, 99.99]
const placeOf = (percent: number): number => Math.log10(100 / (100 - percent))
const PERCENT_TICKS = [0, 90, 99, 99.9, 99.99]
const PERCENT: Axis = {
  label: 'percentile',
  ticks: PERCENT_TICKS.map(placeOf),
  format: (place) => `${Number((100 - 100 / 10 ** place).toFixed(2))} %`,
}

const curveOf = (name: string, encoded: string): Line => {
  const at = percentilesOf(encoded)
  return {
    name,
    points: PERCENTILES.map((percent) => [placeOf(percent), at(percent)] as const),
  }
}

const latencyLines = (name: string, record: LatencyRecord): Line[] => [
  { name: `${name}, median`, points: record.seconds().map(({ second, p50Ms }) => [second, p50Ms] as const) },
  { name: `${name}, P99`, points: record.seconds().map(({ second, p99Ms }) => [second, p99Ms] as const) },
]

/** Looks closer than this tell nothing of what happened between them. */
const CLOSE_SECONDS = 0.5

const measuredOf = ({ samples, options }: Trial): Sample[] => {
  const kept: Sample[] = []
  for (const sample of samples) {
    const { at = Number.NEGATIVE_INFINITY } = kept[kept.length - 1] ?? {}
    const isMeasured = sample.at >= -0.5 && sample.at <= options.seconds + 1
    if (isMeasured && sample.at - at >= CLOSE_SECONDS) kept.push(sample)
  }
  return kept
}

const stageLines = (trial: Trial): Line[] => {
  const samples = measuredOf(trial)
  const [first] = samples
  const stages = ['settled', 'stored', 'archived'] as const
  let accepted = 0
  const taken = trial.loadSeconds
    .filter(({ second, sent }) => second >= 0 && sent > 0)
    .map((one) => {
      accepted += one.accepted
      return [one.second + 1, accepted] as const
    })
  return [
    { name: 'acknowledged', points: taken },
    ...stages.map((stage) => ({
      name: stage,
      points: samples.map(({ at, stages: now }) => [at, now[stage] - first.stages[stage]] as const),
    })),
  ]
}

/** Cores in use between two looks. */
const cpuLines = (trial: Trial): Line[] => {
  const samples = measuredOf(trial)
  const kinds = Object.keys(trial.drained.usage)
  const used = (sample: Sample, kind: string): number => sample.usage[kind]?.cpuSeconds ?? 0
  return kinds.map((kind) => ({
    name: kind,
    points: samples.slice(1).map((sample, i) => {
      const before = samples[i]
      const cores = (used(sample, kind) - used(before, kind)) / (sample.at - before.at)
      return [sample.at, Math.max(0, cores)] as const
    }),
  }))
}

const memoryLines = (trial: Trial): Line[] =>
  Object.keys(trial.drained.usage).map((kind) => ({
    name: kind,
    points: measuredOf(trial).map(({ at, usage }) => [at, usage[kind]?.rssMb ?? 0] as const),
  }))

const chartsOf = (trial: Trial): Chart[] => {
  const { pushed, stored } = trial.markers
  const lag = measuredOf(trial).map(({ at, lag: { pendingEvents } }) => [at, pendingEvents] as const)
  return [
    {
      title: 'From acknowledgement to a push and to SQL',
      lines: [...latencyLines('push', pushed), ...latencyLines('SQL', stored)],
      x: TIME,
      y: MS,
      goal: GOAL,
    },
    {
      title: 'Latency by percentile',
      lines: [
        curveOf('acknowledged → push', pushed.encoded()),
        curveOf('acknowledged → SQL', stored.encoded()),
        curveOf('due → acknowledged', trial.load.latency),
      ],
      x: PERCENT,
      y: MS,
      goal: GOAL,
    },
    { title: 'Events by stage', lines: stageLines(trial), x: TIME, y: { label: 'events so far', format: count } },
    {
      title: 'Processor time by process',
      lines: cpuLines(trial),
      x: TIME,
      y: { label: 'cores', format: String },
      stacked: true,
    },
    {
      title: 'Not settled yet',
      lines: [{ name: 'events of the log that no checkpoint has settled', points: lag }],
      x: TIME,
      y: { label: 'events', format: count },
    },
    { title: 'Memory by process', lines: memoryLines(trial), x: TIME, y: { label: 'MB, resident', format: count } },
  ]
}

const tilesOf = (result: Result) => [
  { value: count(result.acceptedPerSecond), label: 'events/s acknowledged' },
  { value: `${Math.round(result.p50Ms)} / ${Math.round(result.p99Ms)} ms`, label: 'to a push, P50 / P99' },
  { value: `${Math.round(result.p50ToOlapMs)} / ${Math.round(result.p99ToOlapMs)} ms`, label: 'to SQL, P50 / P99' },
  { value: `${result.cpuMicrosOfAll} µs`, label: 'CPU an event, all of the product' },
  { value: `${result.lost} / ${result.duplicated}`, label: 'lost / duplicated' },
]

/** A run as one HTML page. */
export const renderReport = (trial: Trial, result: Result): string => {
  const { rate, seconds, batch, protocol, bytesPerEvent, machine, loadAverage, cpuMicrosPerEvent, maxRssMb } = result
  return renderPage({
    title: `Millrace: ${rate.toLocaleString('en-US')} events a second for ${seconds} s`,
    subtitle: `${protocol}, ${batch} events of ${bytesPerEvent} bytes a request; ten metrics, DuckDB and Parquet archive on; everything, load generator included, on ${machine.cores} cores (${machine.cpu}, Node ${machine.node}); load average ${loadAverage}`,
    tiles: tilesOf(result),
    charts: chartsOf(trial).map(renderChart),
    tables: [
      [
        ['', ...Object.keys(cpuMicrosPerEvent)],
        ['µs CPU an event', ...Object.values(cpuMicrosPerEvent)],
        ['MB at most', ...Object.keys(cpuMicrosPerEvent).map((kind) => maxRssMb[kind] ?? 0)],
      ],
    ],
  })
}
