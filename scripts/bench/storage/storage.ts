import { mkdtemp, rm } from 'node:fs/promises'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Args } from '#scripts/lib/args.ts'
import { renderTable } from '#scripts/lib/table.ts'
import type { Bench } from '../bench.ts'
import { type Spread, spreadOf } from '../processor/figures.ts'
import { SHOP_METRICS } from '../processor/metrics.ts'
import { writeTraffic } from '../processor/traffic.ts'
import { type FilledLog, openFilledLog } from './filled-log.ts'
import { runStore, type StoreRun } from './store-run.ts'
import { THREADS, type ThreadKind } from './threads.ts'

const OPTIONS = {
  events: { value: 'N', help: 'events of the shop, repetitions included [500,000]' },
  'shop-rate': { value: 'N', help: 'events a second of the shop, by its own clock [20,000]' },
  'fill-rate': {
    value: 'N',
    help: 'events a second at which the log is filled while a processor settles it: how small its checkpoints are [50,000]',
  },
  rounds: { value: 'N', help: 'counted rounds, each with a new store and archive [3]' },
  'frame-events': { value: 'N', help: 'events of one frame of the log [250]' },
  partitions: { value: 'N', help: '[8]' },
  profile: { value: 'DIR', help: 'where storage leaves CPU profiles of its JavaScript; they cost time themselves' },
}
type Option = keyof typeof OPTIONS

interface Sizes {
  events: number
  shopRate: number
  fillRate: number
  rounds: number
  frameEvents: number
  partitions: number
  profile?: string
}

const sizesOf = (args: Args<Option | 'help' | 'json'>): Sizes => ({
  events: args.whole('events', 500_000, 1_000, 100_000_000),
  shopRate: args.whole('shop-rate', 20_000, 1, 1_000_000),
  fillRate: args.whole('fill-rate', 50_000, 1, 10_000_000),
  rounds: args.whole('rounds', 3, 1, 100),
  frameEvents: args.whole('frame-events', 250, 1, 1_000),
  partitions: args.whole('partitions', 8, 1, 64),
  profile: args.text('profile'),
})

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)
const round = (value: number): number => Math.round(value * 100) / 100

/** Microseconds of processor time that a row of DuckDB takes: aggregates and books are in it. */
const storeUs = ({ storage, events }: StoreRun, kinds: readonly ThreadKind[]): number =>
  (sum(kinds.map((kind) => storage[kind])) * 1e6) / events.stored

/** The same of a row of the archive: what a run with it takes more than one without. */
const archiveUs = (plain: StoreRun, archiving: StoreRun, kinds: readonly ThreadKind[]): number => {
  const used = sum(kinds.map((kind) => archiving.storage[kind])) * 1e6
  return (used - storeUs(plain, kinds) * archiving.events.stored) / archiving.events.archived
}

const natsUs = (plain: StoreRun, archiving: StoreRun) => {
  const store = (plain.natsSeconds * 1e6) / plain.events.stored
  const archive = archiving.natsSeconds * 1e6 - store * archiving.events.stored
  return { store, archive: archive / archiving.events.archived }
}

interface Cost extends Spread {
  /** Medians, by kind of thread. */
  threads: Record<ThreadKind, number>
}

const costOf = (us: (round: number, kinds: readonly ThreadKind[]) => number, rounds: number): Cost => {
  const all = Array.from({ length: rounds }, (_, i) => i)
  const of = (kinds: readonly ThreadKind[]): Spread => spreadOf(all.map((i) => us(i, kinds)))
  const [js, v8, workers] = THREADS.map((kind) => of([kind]).median)
  return { ...of(THREADS), threads: { js, v8, workers } }
}

const figuresOf = (plain: readonly StoreRun[], archiving: readonly StoreRun[]) => {
  const rounds = plain.length
  const nats = plain.map((run, i) => natsUs(run, archiving[i]))
  const last = archiving[rounds - 1]
  return {
    storeUs: costOf((i, kinds) => storeUs(plain[i], kinds), rounds),
    archiveUs: costOf((i, kinds) => archiveUs(plain[i], archiving[i], kinds), rounds),
    natsStoreUs: spreadOf(nats.map(({ store }) => store)),
    natsArchiveUs: spreadOf(nats.map(({ archive }) => archive)),
    storedPerSecond: Math.round(spreadOf(plain.map(({ events, seconds }) => events.stored / seconds)).median),
    bothPerSecond: Math.round(spreadOf(archiving.map(({ events, seconds }) => events.stored / seconds)).median),
    storePeakRssMb: Math.max(...plain.map((run) => run.peakRssMb)),
    bothPeakRssMb: Math.max(...archiving.map((run) => run.peakRssMb)),
    storeBytes: last.storeBytes,
    archiveBytes: last.archiveBytes,
  }
}

/** Rounds with and without the archive, in turn: whatever else the machine does is in both. */
const measureRounds = async (log: FilledLog, { rounds, ...sizes }: Sizes, say: (line: string) => void) => {
  const plain: StoreRun[] = []
  const archiving: StoreRun[] = []
  for (let round = 1; round <= rounds; round++) {
    say(`round ${round} of ${rounds}: DuckDB alone`)
    plain.push(await runStore({ log, ...sizes, archive: false }))
    say(`round ${round} of ${rounds}: DuckDB and archive`)
    archiving.push(await runStore({ log, ...sizes, archive: true }))
  }
  return figuresOf(plain, archiving)
}

const table = (figures: ReturnType<typeof figuresOf>, { events, outcomes }: FilledLog): string => {
  const row = (name: string, { median, low, high, threads }: Cost, nats: Spread) => [
    name,
    `${round(median)} µs (${round(low)} to ${round(high)})`,
    ...THREADS.map((kind) => `${round(threads[kind])}`),
    `${round(nats.median)} µs`,
  ]
  return renderTable([
    ['CPU per event', 'storage', ...THREADS, 'nats-server'],
    row('DuckDB', figures.storeUs, figures.natsStoreUs),
    row('archive', figures.archiveUs, figures.natsArchiveUs),
    ['events a second', `${figures.storedPerSecond} without archive, ${figures.bothPerSecond} with it`],
    ['peak RSS', `${figures.storePeakRssMb} MB without archive, ${figures.bothPeakRssMb} MB with it`],
    [
      'bytes per event',
      `${round(figures.storeBytes / outcomes.C)} in DuckDB, ${round(figures.archiveBytes / (events - outcomes.D))} in the archive`,
    ],
  ])
}

/** What the real storage process costs per event: raw rows, aggregates and books in DuckDB, and the Parquet archive. */
export const storageBench: Bench<Option> = {
  summary: 'processor time per event of storage that catches up: DuckDB, Parquet archive, by kind of thread',
  options: OPTIONS,
  async run(args, say) {
    const sizes = sizesOf(args)
    const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
    try {
      const { shopRate: eventsPerSecond, fillRate: rate, ...rest } = sizes
      const startMs = Math.floor(Date.now() / 60_000) * 60_000 - (1_000 * sizes.events) / eventsPerSecond
      const path = join(folder, 'lines.ndjson')
      const traffic = await writeTraffic(path, { ...sizes, eventsPerSecond, startMs }, say)
      say('a processor settles them')
      await using log = await openFilledLog({ path, ...rest, rate, metrics: SHOP_METRICS })
      const figures = await measureRounds(log, sizes, say)
      say(table(figures, log))
      const machine = { cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, node: process.version }
      const { outcomes, checkpoints } = log
      const load = Math.round(loadavg()[0] * 10) / 10
      return { ...traffic, outcomes, checkpoints, ...figures, machine, loadAverage: load }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
}
