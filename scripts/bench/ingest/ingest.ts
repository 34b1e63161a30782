import { loadavg } from 'node:os'
import { type Args, UsageError } from '#scripts/lib/args.ts'
import { renderTable } from '#scripts/lib/table.ts'
import { cpuSeconds } from '#scripts/lib/usage.ts'
import type { Bench } from '../bench.ts'
import { percentilesOf } from '../e2e/latency.ts'
import { type Rig, startRig } from '../gateway/rig.ts'
import { type LoadResult, startLoad } from '../load/load-process.ts'
import { PROTOCOLS, type Protocol, protocolOf } from '../load/protocol.ts'
import { machine } from '../machine.ts'

const OPTIONS = {
  protocols: { value: 'LIST', help: `with commas between [${PROTOCOLS.join(',')}]` },
  batches: { value: 'LIST', help: 'events of a request [1,20,200]' },
  connections: { value: 'LIST', help: 'of the generator [32]' },
  seconds: { value: 'N', help: 'of each measurement [8]' },
  rate: {
    value: 'N',
    help: 'events a second; without it a share of the most that a way takes, which is measured first',
  },
  share: { value: 'PERCENT', help: 'that share [70]' },
  profile: { value: 'DIR', help: 'where the gateway leaves a CPU profile; it costs time itself' },
} as const
type Option = keyof typeof OPTIONS

interface Sizes {
  protocols: Protocol[]
  batches: number[]
  connections: number[]
  seconds: number
  rate?: number
  share: number
  profile?: string
}

const numbersOf = (name: string, text: string, most: number): number[] =>
  text.split(',').map((part) => {
    const number = Number(part)
    if (/^\d+$/.test(part) && number >= 1 && number <= most) return number
    throw new UsageError(`--${name}: expected whole numbers from 1 to ${most} with commas between, got "${text}"`)
  })

const sizesOf = (args: Args<Option | 'help' | 'json'>): Sizes => ({
  protocols: (args.text('protocols') ?? PROTOCOLS.join(',')).split(',').map(protocolOf),
  batches: numbersOf('batches', args.text('batches') ?? '1,20,200', 3_000),
  connections: numbersOf('connections', args.text('connections') ?? '32', 10_000),
  seconds: args.whole('seconds', 8, 1, 3_600),
  rate: args.has('rate') ? args.whole('rate', 1, 1, 10_000_000) : undefined,
  share: args.whole('share', 70, 1, 100),
  profile: args.text('profile'),
})

/** One way in, and how it is used. */
interface Way {
  protocol: Protocol
  batch: number
  connections: number
}

const WARM_UP_SECONDS = 2
/** More than any of them takes: requests then wait in the generator, and connections are never idle. */
const MOST_REQUESTS = 40_000
const MOST_EVENTS = 400_000

/** Of the measured time; the load has the warm-up as well. */
interface Run {
  load: LoadResult
  acceptedPerSecond: number
  /** Microseconds of processor time an event. */
  gatewayUs: number
  natsUs: number
}

const digits = (value: number, places = 1): number => Number(value.toFixed(places))

const runLoad = async (rig: Rig, { protocol, ...way }: Way, rate: number, seconds: number): Promise<Run> => {
  const path = protocol === 'ndjson' ? '/v1/events' : '/graphql'
  const address = protocol === 'grpc' ? `127.0.0.1:${rig.grpcPort}` : `http://127.0.0.1:${rig.port}${path}`
  const target = { protocol, address, writeKey: rig.keys.writeKey }
  await using load = await startLoad({
    ...target,
    ...way,
    rate,
    seconds: seconds + WARM_UP_SECONDS,
    warmUpSeconds: WARM_UP_SECONDS,
  })
  const pids = [rig.pids.gateway, rig.natsPid]
  let before: Promise<number[]> | undefined
  let accepted = 0
  const result = await load.run((second) => {
    if (second.second === WARM_UP_SECONDS - 1) before = Promise.all(pids.map(cpuSeconds))
    else if (second.second >= WARM_UP_SECONDS) accepted += second.accepted
  })
  const after = await Promise.all(pids.map(cpuSeconds))
  const since = (await before) ?? after
  const [gatewayUs, natsUs] = after.map((used, i) => digits((1e6 * (used - since[i])) / Math.max(1, accepted)))
  return { load: result, acceptedPerSecond: accepted / seconds, gatewayUs, natsUs }
}

const measure = async (rig: Rig, way: Way, { seconds, rate, share }: Sizes) => {
  const most =
    rate === undefined ? await runLoad(rig, way, Math.min(MOST_EVENTS, MOST_REQUESTS * way.batch), seconds) : null
  const atRate = rate ?? Math.max(1, Math.round((share / 100) * most!.acceptedPerSecond))
  const steady = await runLoad(rig, way, atRate, seconds)
  const at = percentilesOf(steady.load.latency)
  const { load, acceptedPerSecond, gatewayUs, natsUs } = most ?? steady
  return {
    ...way,
    acceptedPerSecond: Math.round(acceptedPerSecond),
    gatewayUs,
    natsUs,
    generatorUs: digits(load.cpuMicrosPerEvent),
    atRate,
    p50Ms: at(50),
    p99Ms: at(99),
    p999Ms: at(99.9),
    refused: { ...load.refused, ...steady.load.refused },
  }
}

const table = (figures: Awaited<ReturnType<typeof measure>>[]): string =>
  renderTable([
    [
      'way',
      'batch',
      'connections',
      'events/s',
      'µs gateway',
      'µs nats',
      'µs generator',
      'at rate',
      'p50 ms',
      'p99 ms',
      'p99.9 ms',
    ],
    ...figures.map((one) => [
      one.protocol,
      one.batch,
      one.connections,
      one.acceptedPerSecond,
      one.gatewayUs,
      one.natsUs,
      one.generatorUs,
      one.atRate,
      one.p50Ms,
      one.p99Ms,
      one.p999Ms,
    ]),
  ])

const waysOf = ({ protocols, batches, connections }: Sizes): Way[] =>
  protocols.flatMap((protocol) =>
    batches.flatMap((batch) => connections.map((count) => ({ protocol, batch, connections: count }))),
  )

/** What one gateway takes and what that costs: by protocol, size of requests and connections. */
export const ingestBench: Bench<Option> = {
  summary: 'what one gateway acknowledges a second, its latency from when a request was due, and what an event costs',
  options: OPTIONS,
  async run(args, say) {
    const sizes = sizesOf(args)
    await using rig = await startRig({ parts: ['gateway'], profile: sizes.profile })
    const figures: Awaited<ReturnType<typeof measure>>[] = []
    for (const way of waysOf(sizes)) {
      figures.push(await measure(rig, way, sizes))
      const { protocol, batch, connections, acceptedPerSecond } = figures[figures.length - 1]
      say(
        `${protocol}, ${batch} a request, ${connections} connections: ${acceptedPerSecond.toLocaleString('en-US')} events/s`,
      )
    }
    say(`\n${table(figures)}`)
    return { figures, machine: machine(), loadAverage: digits(loadavg()[0]) }
  },
}
