import { loadavg } from 'node:os'
import { connectNats } from '#infra/nats/connect.ts'
import { createOlapClient } from '#infra/nats/olap-client.ts'
import { startProduct, type TestProduct } from '#infra/testing/product.ts'
import { type Args, UsageError } from '#scripts/lib/args.ts'
import type { Bench } from '../bench.ts'
import { Bits } from '../load/bits.ts'
import { PROTOCOLS, type Protocol } from '../load/protocol.ts'
import type { Burst } from '../load/schedule.ts'
import { machine } from '../machine.ts'
import { takeCensuses } from './census.ts'
import { defineMetrics } from './definitions.ts'
import { figuresOf, type TrialFigures } from './figures.ts'
import { createProfiles } from './profiles.ts'
import { table } from './table.ts'
import { type Arena, runTrial, type TrialOptions } from './trial.ts'

const OPTIONS = {
  rate: { value: 'N', help: 'events a second [10,000]' },
  seconds: { value: 'N', help: 'of measured load [60]' },
  'warm-up': { value: 'N', help: 'seconds of load before that [10]' },
  batch: { value: 'N', help: 'events of a request [200]' },
  connections: { value: 'N', help: 'of the generator [32]' },
  protocol: { value: 'NAME', help: `${PROTOCOLS.join(', ')} [ndjson]` },
  burst: { value: 'RATExSECONDS', help: 'in the middle of the load so many events a second for so long' },
  markers: { value: 'N', help: 'events a second by which latency is measured [20]' },
  profile: {
    value: 'DIR',
    help: 'where gateways, processors and storage leave CPU profiles; they cost time themselves',
  },
} as const
type Option = keyof typeof OPTIONS

interface Setup extends Omit<TrialOptions, 'firstRequest'> {
  flags: string[]
  profile?: string
}

const protocolOf = (text: string = 'ndjson'): Protocol => {
  const protocol = PROTOCOLS.find((one) => one === text)
  if (protocol) return protocol
  throw new UsageError(`--protocol: expected one of ${PROTOCOLS.join(', ')}, got "${text}"`)
}

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

const DRAIN_MS = 240_000

const setupOf = (args: Args<Option | 'help' | 'json'>): Setup => {
  const seconds = args.whole('seconds', 60, 1, 86_400)
  return {
    rate: args.whole('rate', 10_000, 1, 10_000_000),
    seconds,
    warmUpSeconds: args.whole('warm-up', 10, 0, 3_600),
    batch: args.whole('batch', 200, 1, 3_000),
    connections: args.whole('connections', 32, 1, 10_000),
    protocol: protocolOf(args.text('protocol')),
    bursts: burstsOf(args.text('burst'), seconds),
    markersPerSecond: args.whole('markers', 20, 1, 1_000),
    drainMs: DRAIN_MS,
    flags: flagsOf(args.rest),
    profile: args.text('profile'),
  }
}

/** Windows of the metric that takes every event, and rows: what counted is stored, and the other way round. */
const compareWindows = async ({ olap }: Arena): Promise<{ inWindows: number; inRows: number }> => {
  const { rows } = await olap.sql(`SELECT
    (SELECT coalesce(sum(events), 0)::BIGINT FROM minly_aggs WHERE metric = 'events'),
    (SELECT count(*) FROM raw_events)`)
  const [[inWindows, inRows]] = rows
  return { inWindows: Number(inWindows), inRows: Number(inRows) }
}

/** The ledger agrees with itself and with what clients were told; who got no answer cannot tell. */
const isBalanced = ({ books, accepted, unanswered, markers }: TrialFigures): boolean => {
  if (!books?.balanced) return false
  const told = accepted + markers.acknowledged
  return books.accepted >= told && books.accepted <= told + unanswered
}

/** Ends the product and reads the files that it leaves. */
const compareStores = async (product: TestProduct, acknowledged: Bits, say: (line: string) => void) => {
  say('stopping, and comparing acknowledged ids with the store and the archive')
  await product.stop()
  return takeCensuses(product.dataDir, acknowledged)
}

const openArena = async (product: TestProduct): Promise<Arena & AsyncDisposable> => {
  const nats = await connectNats(product.endpoints.nats, 'millrace bench')
  const olap = createOlapClient(nats)
  await defineMetrics(product)
  return {
    product,
    olap,
    partitions: (await olap.positions()).length,
    [Symbol.asyncDispose]: () => nats.close(),
  }
}

const run = async ({ flags, profile, ...options }: Setup, say: (line: string) => void): Promise<object> => {
  const profiles = createProfiles(profile)
  say(`starting the product${flags.length > 0 ? ` with ${flags.join(' ')}` : ''}`)
  await using product = await startProduct({ flags, env: profiles.env })
  const acknowledged = new Bits()
  let measured: { figures: TrialFigures; windows: { inWindows: number; inRows: number } }
  {
    await using arena = await openArena(product)
    const trial = await runTrial(arena, { ...options, firstRequest: 0 }, say)
    acknowledged.addAll(trial.acknowledged)
    measured = { figures: figuresOf(trial), windows: await compareWindows(arena) }
  }
  const pids = product.pids()
  const { olap, archive } = await compareStores(product, acknowledged, say)
  await profiles.name(pids)
  const { figures, windows } = measured
  const difference = windows.inWindows - windows.inRows
  const result = {
    ...figures,
    ledgerBalanced: isBalanced(figures),
    lost: olap.lost + archive.lost + Math.max(0, -difference),
    duplicated: olap.duplicated + archive.duplicated + Math.max(0, difference),
    stores: { olap, archive, windows },
    machine: machine(),
    loadAverage: Math.round(loadavg()[0] * 10) / 10,
  }
  say(table(result))
  return result
}

/** The whole product under load: how fast it is, what it costs, and whether everything that was acknowledged is there. */
export const e2eBench: Bench<Option> = {
  summary:
    'all of it at a rate: latency to a push and to SQL, cost by process, what was lost or doubled; flags of npm start go behind another --',
  options: OPTIONS,
  run: (args, say) => run(setupOf(args), say),
}
