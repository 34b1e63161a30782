import { mkdtemp, rm } from 'node:fs/promises'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Args } from '#scripts/lib/args.ts'
import { renderTable } from '#scripts/lib/table.ts'
import type { Bench } from '../bench.ts'
import type { measureMemory } from '../recovery/memory.ts'
import type { StateSize } from '../recovery/state.ts'
import { askProcess } from './ask.ts'
import { costOfStages, perSecond, type Spread, spreadOf } from './figures.ts'
import { type FoldQuestion, foldInProcess } from './fold-process.ts'
import { STAGES } from './fold-run.ts'
import { GROWTHS, type Growth, measureGrowth } from './growth.ts'
import { SHOP_METRICS } from './metrics.ts'
import { measureStream } from './stream.ts'
import { writeTraffic } from './traffic.ts'

const GOALS = { foldEventsPerCpuSecond: 400_000, streamEventsPerCpuSecond: 150_000, growth: 1.5 }
const OPTIONS = {
  events: { value: 'N', help: 'events of the shop, repetitions included [300,000]' },
  'shop-rate': {
    value: 'N',
    help: 'events a second of the shop, by its own clock: at 20,000 the mix makes about 5,000 series [20,000]',
  },
  rounds: { value: 'N', help: 'counted rounds of each measurement [5]' },
  'stream-rounds': { value: 'N', help: 'of the one through JetStream [3]' },
  'frame-events': { value: 'N', help: 'events of one frame of the log [250]' },
  partitions: { value: 'N', help: 'of the stream; in memory there is one [8]' },
  series: { value: 'N', help: 'at the large end of the growth of series, and of the memory [1,000,000]' },
  profile: { value: 'DIR', help: 'where the processes that fold leave CPU profiles; they cost time themselves' },
}
type Option = keyof typeof OPTIONS

interface Sizes {
  events: number
  shopRate: number
  rounds: number
  streamRounds: number
  frameEvents: number
  partitions: number
  series: number
  profile?: string
}

const sizesOf = (args: Args<Option | 'help' | 'json'>): Sizes => ({
  events: args.whole('events', 300_000, 1_000, 10_000_000),
  shopRate: args.whole('shop-rate', 20_000, 1, 1_000_000),
  rounds: args.whole('rounds', 5, 1, 100),
  streamRounds: args.whole('stream-rounds', 3, 1, 100),
  frameEvents: args.whole('frame-events', 250, 1, 1_000),
  partitions: args.whole('partitions', 8, 1, 64),
  series: args.whole('series', 1_000_000, 1_000, 100_000_000),
  profile: args.text('profile'),
})

/** Rounds through JetStream, each with a server and a processor of its own. */
const measureStreams = async (path: string, sizes: Sizes, say: (line: string) => void) => {
  const { partitions, frameEvents, profile, streamRounds } = sizes
  const us: number[] = []
  let eventsPerCheckpoint = 0
  for (let round = 1; round <= streamRounds; round++) {
    say(`through JetStream, ${partitions} partitions, round ${round} of ${streamRounds}`)
    const streamed = await measureStream({ path, partitions, frameEvents, metrics: SHOP_METRICS, profile })
    us.push(streamed.usPerEvent)
    eventsPerCheckpoint = streamed.eventsPerCheckpoint
  }
  return { us: spreadOf(us), eventsPerCheckpoint }
}

/** What JetStream adds: reading, publishing, and the loop between. */
const costOfPublish = (streamUs: Spread, unstreamed: readonly number[]): number =>
  Math.round((streamUs.median - spreadOf(unstreamed).median) * 1_000) / 1_000

const measureAll = async (path: string, sizes: Sizes, say: (line: string) => void) => {
  const { partitions, frameEvents, rounds, profile, shopRate: eventsPerSecond } = sizes
  const startMs = Math.floor(Date.now() / 60_000) * 60_000 - (1_000 * sizes.events) / eventsPerSecond
  const traffic = await writeTraffic(path, { ...sizes, eventsPerSecond, startMs }, say)
  const question: FoldQuestion = {
    path,
    partitions: 1,
    frameEvents,
    metrics: SHOP_METRICS,
    preload: 0,
    stages: STAGES,
    rounds,
  }
  say('folding from memory, one partition')
  const fold = await foldInProcess({ ...question, profile })
  const stream = await measureStreams(path, sizes, say)
  say(`folding from memory what the stream brought, ${partitions} partitions`)
  const checkpointEvents = Math.round(stream.eventsPerCheckpoint)
  const unstreamed = await foldInProcess({ ...question, partitions, checkpointEvents, stages: ['checkpoint'] })
  const growth = {} as Record<(typeof GROWTHS)[number], Growth>
  for (const kind of GROWTHS) growth[kind] = await measureGrowth(kind, question, sizes.series, say)
  say('memory')
  const memory = await askProcess<StateSize, Awaited<ReturnType<typeof measureMemory>>>('memory.main.ts', {
    series: Math.round(sizes.series / 4),
    ids: sizes.series,
  })
  const foldUs = spreadOf(fold.stages.checkpoint!)
  const streamUs = stream.us
  return {
    ...traffic,
    frameEvents,
    metrics: SHOP_METRICS.length,
    series: fold.series,
    foldEventsPerCpuSecond: perSecond(foldUs.median),
    streamEventsPerCpuSecond: perSecond(streamUs.median),
    foldUs,
    streamUs,
    stagesUs: {
      ...costOfStages(STAGES.map((stage) => [stage, fold.stages[stage]!])),
      publish: costOfPublish(streamUs, unstreamed.stages.checkpoint!),
    },
    rowsPerEvent: Math.round((fold.rows / fold.events) * 1_000) / 1_000,
    growth,
    ...memory,
  }
}

type Figures = Awaited<ReturnType<typeof measureAll>>

const spreadText = ({ median, low, high }: Spread): string => `${median} µs (${low} to ${high})`

const table = (figures: Figures): string =>
  renderTable([
    ['', 'events per CPU second', 'goal', 'per event'],
    ['from memory', figures.foldEventsPerCpuSecond, GOALS.foldEventsPerCpuSecond, spreadText(figures.foldUs)],
    [
      'through JetStream',
      figures.streamEventsPerCpuSecond,
      GOALS.streamEventsPerCpuSecond,
      spreadText(figures.streamUs),
    ],
    ...Object.entries(figures.stagesUs).map(([stage, us]) => [`  ${stage}`, '', '', `${us} µs`]),
    ...Object.entries(figures.growth).map(([kind, { from, to, usFrom, usTo, factor }]) => [
      `${from.toLocaleString('en-US')} to ${to.toLocaleString('en-US')} ${kind}`,
      `× ${factor}`,
      `< ${GOALS.growth}`,
      `${usFrom} to ${usTo} µs`,
    ]),
    ['bytes per series', figures.bytesPerSeries],
    ['bytes per remembered id', figures.bytesPerId],
  ])

/** What the processor costs per event, from frames in memory and through a real JetStream. */
export const processorBench: Bench<Option> = {
  summary: 'processor time per event of the fold and of a processor on JetStream, by stage, and how it grows',
  options: OPTIONS,
  async run(args, say) {
    const sizes = sizesOf(args)
    const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
    try {
      const figures = await measureAll(join(folder, 'lines.ndjson'), sizes, say)
      say(table(figures))
      const machine = { cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, node: process.version }
      return { ...figures, goals: GOALS, machine, loadAverage: Math.round(loadavg()[0] * 10) / 10 }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
}
