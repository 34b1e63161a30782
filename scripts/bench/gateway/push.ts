import { renderTable } from '#scripts/lib/table.ts'
import { cpuSeconds } from '#scripts/lib/usage.ts'
import type { Bench } from '../bench.ts'
import { fillMinutes, keepSending } from './feed.ts'
import { quantile, round } from './figures.ts'
import { type Rig, startRig } from './rig.ts'
import { watchSettled } from './settled.ts'
import { subscribeAll } from './subscribers.ts'

const WATCH = `subscription ($by: [String!], $where: [ConditionInput!]) {
  metric(name: "page_views", window: { tumbling: "PT1M" }, by: $by, where: $where, last: 5) {
    kind points { windowStart dimensions value events status } watermark cursor
  }
}`

/** Distinct ones leave out another path each, which is none: equally much to do, and nothing to share. */
const VARIABLES = {
  equal: () => ({ by: [] }),
  distinct: (i: number) => ({ by: [], where: [{ field: 'properties.path', op: 'NE', value: `/none/${i}` }] }),
}
type Kind = keyof typeof VARIABLES

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** CPU time of the gateway in so many milliseconds, microseconds. */
const cpuUsIn = async (rig: Rig, ms: number): Promise<number> => {
  const before = await cpuSeconds(rig.pids.gateway)
  await pause(ms)
  return ((await cpuSeconds(rig.pids.gateway)) - before) * 1e6
}

/**
 * From a checkpoint to the socket, for each push: from the oldest checkpoint since the push before, which may have been
 * in that one already. So what is told is at most too much.
 */
const createLatencies = (checkpoints: readonly number[], subscriptions: number) => {
  const seen = new Array<number>(subscriptions).fill(checkpoints.length)
  const timesMs: number[] = []
  return {
    timesMs,
    note(subscription: number): void {
      const oldest = checkpoints[seen[subscription]]
      seen[subscription] = checkpoints.length
      if (oldest !== undefined) timesMs.push(performance.now() - oldest)
    },
  }
}

const measure = async (rig: Rig, kind: Kind, subscriptions: number, ms: number) => {
  const settled = await watchSettled(rig.natsUrl)
  const idleBeforeUs = await cpuUsIn(rig, ms)
  const latencies = createLatencies(settled.times, subscriptions)
  let pushes = 0
  let isMeasured = false
  const watchers = await subscribeAll({
    port: rig.port,
    key: rig.keys.readToken,
    query: WATCH,
    variables: Array.from({ length: subscriptions }, (_, i) => VARIABLES[kind](i)),
    onPush(subscription) {
      if (isMeasured) {
        pushes++
        latencies.note(subscription)
      }
    },
  })
  // The snapshots are behind them, and each has seen a push.
  await pause(1_000)
  isMeasured = true
  const busyUs = await cpuUsIn(rig, ms)
  isMeasured = false
  watchers.close()
  await pause(1_000)
  const idleUs = (idleBeforeUs + (await cpuUsIn(rig, ms))) / 2
  await settled.stop()
  const times = latencies.timesMs.sort((a, b) => a - b)
  return {
    pushesPerSecond: Math.round((pushes * 1_000) / ms),
    cpuUsPerPush: round((busyUs - idleUs) / pushes),
    cpuUsPerSubscriberSecond: round(((busyUs - idleUs) * 1_000) / ms / subscriptions),
    p50Ms: round(quantile(times, 0.5)),
    p99Ms: round(quantile(times, 0.99)),
  }
}

/** What subscriptions cost a gateway whose live view moves: CPU time of its process, without what that moving takes. */
export const pushBench: Bench<'subscriptions' | 'seconds' | 'rate' | 'profile'> = {
  summary: 'what pushes to subscriptions on WebSockets cost the gateway, equal and distinct ones',
  options: {
    subscriptions: { value: 'N', help: 'subscriptions at once [500]' },
    seconds: { value: 'N', help: 'how long each kind is measured [5]' },
    rate: { value: 'N', help: 'events a second that come in [500]' },
    profile: { value: 'DIR', help: 'write CPU profiles of the processes' },
  },
  async run(args, say) {
    const subscriptions = args.whole('subscriptions', 500, 1, 20_000)
    const seconds = args.whole('seconds', 5, 1, 600)
    const rate = args.whole('rate', 500, 1, 100_000)
    await using rig = await startRig({ parts: ['gateway', 'processor'], profile: args.text('profile') })
    await fillMinutes(rig, 5, 20)
    const traffic = keepSending(rig, rate)
    const figures = {
      equal: await measure(rig, 'equal', subscriptions, seconds * 1_000),
      distinct: await measure(rig, 'distinct', subscriptions, seconds * 1_000),
    }
    await traffic.stop()
    const head = ['subscriptions', 'pushes/s', 'CPU µs a push', 'CPU µs a subscriber and second', 'p50 ms', 'p99 ms']
    say(renderTable([head, ...Object.entries(figures).map(([kind, one]) => [kind, ...Object.values(one)])]))
    return { subscriptions, rate, ...figures }
  },
}
