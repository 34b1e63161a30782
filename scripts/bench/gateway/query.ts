import { formatTime } from '#schema/time.ts'
import { renderTable } from '#scripts/lib/table.ts'
import { cpuSecondsOf } from '#scripts/lib/usage.ts'
import type { Bench } from '../bench.ts'
import { fillMinutes, keepSending, VIEWS } from './feed.ts'
import { median, quantile, round } from './figures.ts'
import { type Cost, type Load, type Post, sendFor } from './posts.ts'
import { startRig } from './rig.ts'

const GOALS = { equalPerSecond: 10_000, distinctPerSecond: 3_000 }
const MINUTE = 60_000

/** `empty`: what any request costs, whatever it asks. The others by POST, and on WebSockets that stay open. */
const KINDS = ['empty', 'equal', 'distinct', 'equalBySocket', 'distinctBySocket'] as const
type Kind = (typeof KINDS)[number]

/** Whoever asks the same asks in the same words; what is distinct differs in its range and is never asked again. */
const createPosts = (key: string, minutes: number): Record<Kind, Post> => {
  const startMs = Date.now() - minutes * MINUTE
  const to = formatTime(Date.now() + MINUTE)
  const ask = (from: number): string =>
    JSON.stringify({ query: VIEWS, variables: { from: formatTime(from), to, by: [] } })
  const same = ask(startMs)
  let asked = 0
  const distinct = (): string => ask(startMs - (asked++ % (20 * MINUTE)))
  const post = { path: '/graphql', key, contentType: 'application/json' }
  return {
    empty: { ...post, path: '/healthz', body: () => '' },
    equal: { ...post, body: () => same },
    distinct: { ...post, body: distinct },
    equalBySocket: { ...post, by: 'socket', body: () => same },
    distinctBySocket: { ...post, by: 'socket', body: distinct },
  }
}

/** CPU time that the process takes in a second in which nobody asks: the live view moves. Microseconds. */
const measureIdle = async (pid: number, ms: number): Promise<number> => {
  const before = (await cpuSecondsOf(pid)) ?? 0
  await new Promise((resolve) => setTimeout(resolve, ms))
  return ((((await cpuSecondsOf(pid)) ?? 0) - before) * 1e9) / ms
}

const measure = async (load: Load, posts: Record<Kind, Post>, rounds: number, ms: number) => {
  const costs: Record<Kind, Cost[]> = { empty: [], equal: [], distinct: [], equalBySocket: [], distinctBySocket: [] }
  for (let r = -1; r < rounds; r++) {
    const idleUs = await measureIdle(load.pid, ms)
    for (const kind of KINDS) {
      const cost = await sendFor(load, posts[kind], ms)
      const cpuUs = cost.cpuUs - (idleUs * cost.seconds) / cost.requests
      // The first round warms up.
      if (r >= 0) costs[kind].push({ ...cost, cpuUs })
    }
  }
  return costs
}

const summarize = (costs: readonly Cost[]) => {
  const cpuUs = median(costs.map((cost) => cost.cpuUs))
  const times = costs.flatMap(({ timesMs }) => timesMs).sort((a, b) => a - b)
  return { cpuUs: round(cpuUs), perCoreSecond: Math.round(1e6 / cpuUs), p99Ms: round(quantile(times, 0.99)) }
}

/** What Query.metric costs a gateway whose live view moves: CPU time of its process, without what that moving takes. */
export const queryBench: Bench<'rounds' | 'seconds' | 'connections' | 'minutes' | 'rate' | 'profile'> = {
  summary: 'what Query.metric costs the gateway, asked again in the same words and with other ranges',
  options: {
    rounds: { value: 'N', help: 'rounds of all kinds after one that warms up; the median is told [3]' },
    seconds: { value: 'N', help: 'seconds of each kind in a round [3]' },
    connections: { value: 'N', help: 'requests under way at once [32]' },
    minutes: { value: 'N', help: 'windows of a minute that are asked for [30]' },
    rate: { value: 'N', help: 'events a second that come in meanwhile [500]' },
    profile: { value: 'DIR', help: 'write CPU profiles of the processes' },
  },
  async run(args, say) {
    const rounds = args.whole('rounds', 3, 1, 1_000)
    const seconds = args.whole('seconds', 3, 1, 600)
    const connections = args.whole('connections', 32, 1, 1_000)
    const minutes = args.whole('minutes', 30, 1, 110)
    const rate = args.whole('rate', 500, 1, 100_000)
    await using rig = await startRig({ parts: ['gateway', 'processor'], profile: args.text('profile') })
    await fillMinutes(rig, minutes, 20)
    const traffic = keepSending(rig, rate)
    const load = { port: rig.port, pid: rig.pids.gateway, connections }
    const costs = await measure(load, createPosts(rig.keys.readToken, minutes), rounds, seconds * 1_000)
    await traffic.stop()
    const summaries = KINDS.map((kind) => [kind, summarize(costs[kind])] as const)
    const figures = Object.fromEntries(summaries) as Record<Kind, ReturnType<typeof summarize>>
    const lines = Object.entries(figures).map(([kind, one]) => [kind, one.cpuUs, one.perCoreSecond, one.p99Ms])
    say(renderTable([['Query.metric', 'CPU µs', 'a second and core', 'p99 ms'], ...lines]))
    return { minutes, rate, eventsMeanwhile: traffic.sent(), ...figures, goals: GOALS }
  },
}
