import { writeFile } from 'node:fs/promises'
import { type Args, UsageError } from '#scripts/lib/args.ts'
import type { Bench } from '../bench.ts'
import { PROTOCOLS, protocolOf } from '../load/protocol.ts'
import type { Burst } from '../load/schedule.ts'
import { chromiumPath, takePicture } from '../report/picture.ts'
import { renderReport } from '../report/report.ts'
import { type ProductRun, runOnProduct, type Setup } from './product-run.ts'
import { findHighest } from './search.ts'
import { markdown, table } from './table.ts'

const OPTIONS = {
  rate: { value: 'N', help: 'events a second; with --find-max the first that is tried [10,000]' },
  seconds: { value: 'N', help: 'of measured load [60]' },
  'warm-up': { value: 'N', help: 'seconds of load before that [10]' },
  'find-max': { help: 'search the highest rate that holds: P99 to push and SQL under 500 ms, lag that does not grow' },
  batch: { value: 'N', help: 'events of a request [200]' },
  connections: { value: 'N', help: 'of the generator [64]' },
  protocol: { value: 'NAME', help: `${PROTOCOLS.join(', ')} [ndjson]` },
  burst: { value: 'RATExSECONDS', help: 'in the middle of the load so many events a second for so long' },
  markers: { value: 'N', help: 'events a second by which latency is measured [20]' },
  'plain-seconds': { value: 'N', help: 'of load on a plain resolver, to compare; 0: none [10]' },
  report: { value: 'FILE', help: 'where to write an HTML page with charts of the run' },
  picture: { value: 'FILE', help: 'where to write a picture (PNG) of that page; takes a Chromium' },
  markdown: { value: 'FILE', help: 'where to write the figures as tables for docs/performance.md' },
  profile: {
    value: 'DIR',
    help: 'where gateways, processors and storage leave CPU profiles; they cost time themselves',
  },
} as const
type Option = keyof typeof OPTIONS

const burstsOf = (text: string | undefined, seconds: number): Burst[] => {
  if (text === undefined) return []
  const [, rate, length] = /^(\d+)x(\d+)$/.exec(text) ?? []
  if (rate === undefined || Number(length) >= seconds) {
    throw new UsageError(`--burst: expected events a second and seconds within the load, as 300000x10, got "${text}"`)
  }
  return [{ rate: Number(rate), seconds: Number(length), atSeconds: Math.floor((seconds - Number(length)) / 2) }]
}

/** What stands behind `--`. */
const flagsOf = (rest: readonly string[]): string[] => {
  const other = rest.find((flag) => !flag.startsWith('--'))
  if (other === undefined) return [...rest]
  throw new UsageError(`expected flags of npm start behind --, as --gateways=2, got "${other}"`)
}

/** Longer than the archive waits for more of a chunk. */
const DRAIN_MS = 150_000
/** Below it a search ends without a result. */
const LOWEST_RATE = 100

const setupOf = (args: Args<Option | 'help' | 'json'>): Setup => {
  const seconds = args.whole('seconds', 60, 1, 86_400)
  return {
    rate: args.whole('rate', 10_000, 1, 10_000_000),
    seconds,
    warmUpSeconds: args.whole('warm-up', 10, 0, 3_600),
    batch: args.whole('batch', 200, 1, 3_000),
    connections: args.whole('connections', 64, 1, 10_000),
    protocol: protocolOf(args.text('protocol')),
    bursts: burstsOf(args.text('burst'), seconds),
    markersPerSecond: args.whole('markers', 20, 1, 1_000),
    plainSeconds: args.whole('plain-seconds', 10, 0, 3_600),
    drainMs: DRAIN_MS,
    flags: flagsOf(args.rest),
    profile: args.text('profile'),
  }
}

interface Tried {
  rate: number
  acceptedPerSecond: number
  p99Ms: number
  p99ToOlapMs: number
  lost: number
  duplicated: number
  whyNot: string[]
}

const triedOf = ({ result }: ProductRun): Tried => {
  const { rate, acceptedPerSecond, p99Ms, p99ToOlapMs, lost, duplicated, whyNot } = result
  return { rate, acceptedPerSecond, p99Ms, p99ToOlapMs, lost, duplicated, whyNot }
}

/** Each rate on a product of its own; the result is that of the highest that held, or of the last where none did. */
const findMax = async (setup: Setup, say: (line: string) => void): Promise<ProductRun & { tried: Tried[] }> => {
  const runs: ProductRun[] = []
  const holds = async (rate: number): Promise<boolean> => {
    const run = await runOnProduct({ ...setup, rate }, say)
    runs.push(run)
    const { whyNot } = run.result
    say(
      `${rate.toLocaleString('en-US')} events a second ${whyNot.length === 0 ? 'hold' : `do not: ${whyNot.join('; ')}`}\n`,
    )
    return whyNot.length === 0
  }
  const highest = await findHighest(setup.rate, LOWEST_RATE, holds)
  const run = runs.find(({ result }) => result.rate === highest) ?? runs[runs.length - 1]
  return { ...run, tried: runs.map(triedOf) }
}

/** Throws UsageError for what could not be written at the end of a long run. */
const checkFiles = async (args: Args<Option | 'help' | 'json'>): Promise<void> => {
  if (args.has('picture')) chromiumPath()
  for (const name of ['report', 'picture', 'markdown'] as const) {
    const file = args.text(name)
    if (file === undefined) continue
    await writeFile(file, '').catch(({ message }: Error) => {
      throw new UsageError(`--${name}: ${message}`)
    })
  }
}

const writeFiles = async (args: Args<Option | 'help' | 'json'>, page: string, tables: string): Promise<void> => {
  const [report, picture, figures] = [args.text('report'), args.text('picture'), args.text('markdown')]
  if (report !== undefined) await writeFile(report, page)
  if (figures !== undefined) await writeFile(figures, tables)
  if (picture !== undefined) await takePicture(page, picture)
}

/** The whole product under load: how fast it is, what it costs, and whether everything that was acknowledged is there. */
export const e2eBench: Bench<Option> = {
  summary:
    'all of it at a rate: latency to a push and to SQL, cost by process, what was lost or doubled; flags of npm start go behind another --',
  options: OPTIONS,
  async run(args, say) {
    const setup = setupOf(args)
    await checkFiles(args)
    const { trial, result, ...more } = args.has('find-max') ? await findMax(setup, say) : await runOnProduct(setup, say)
    await writeFiles(args, renderReport(trial, result), markdown(result))
    say(table(result))
    return { ...result, ...more }
  },
}
