import { createShop } from '#scripts/demo/shop.ts'
import { renderTable } from '#scripts/lib/table.ts'
import type { Bench } from '../bench.ts'
import { median, round } from './figures.ts'
import { type Load, type Post, sendFor } from './posts.ts'
import { startRig } from './rig.ts'

const BATCH = 200
/** Distinct requests of a kind; they come again and again, which the gateway does not see. */
const BODIES = 40
const RECEIPT = '{ accepted rejected verdicts { index code } }'
const TYPED = `mutation Send($events: [EventInput!]!) { trackEvents(events: $events) ${RECEIPT} }`
const BATCHED = `mutation Send($events: JSON!) { trackBatch(events: $events) ${RECEIPT} }`
const GOALS = { batchRatio: 1.5, typedRatio: 3, singlePerSecond: 5_000 }

const WAYS = {
  'NDJSON 200': { events: BATCH, query: null, by: 'POST' },
  'trackBatch 200': { events: BATCH, query: BATCHED, by: 'POST' },
  'trackEvents 200': { events: BATCH, query: TYPED, by: 'POST' },
  'NDJSON 1': { events: 1, query: null, by: 'POST' },
  'trackBatch 1': { events: 1, query: BATCHED, by: 'POST' },
  'trackEvents 1': { events: 1, query: TYPED, by: 'POST' },
  'trackEvents 1 by WebSocket': { events: 1, query: TYPED, by: 'socket' },
} as const
type Way = keyof typeof WAYS

const inTurn =
  (bodies: readonly string[]) =>
  (number: number): string =>
    bodies[number % bodies.length]

const createPosts = (key: string): Record<Way, Post> => {
  const shop = createShop({ seed: 1, eventsPerSecond: 2_000, startMs: Date.now() - 60_000 })
  const stream = shop.until(Date.now())
  const all = [...stream].slice(0, BATCH * BODIES)
  const post = (events: number, query: string | null, by: Post['by']): Post => {
    const groups = Array.from({ length: BODIES }, (_, i) => all.slice(i * events, (i + 1) * events))
    if (query === null) {
      const bodies = groups.map((group) => group.map((event) => JSON.stringify(event)).join('\n'))
      return { path: '/v1/events', key, contentType: 'application/x-ndjson', body: inTurn(bodies) }
    }
    const bodies = groups.map((group) => JSON.stringify({ query, variables: { events: group } }))
    return { by, path: '/graphql', key, contentType: 'application/json', body: inTurn(bodies) }
  }
  const made = Object.entries(WAYS).map(([way, { events, query, by }]) => [way, post(events, query, by)])
  return Object.fromEntries(made) as Record<Way, Post>
}

const measure = async (load: Load, posts: Record<Way, Post>, rounds: number, ms: number) => {
  const costs = new Map<Way, number[]>()
  for (let r = -1; r < rounds; r++) {
    for (const [way, post] of Object.entries(posts) as [Way, Post][]) {
      const { cpuUs } = await sendFor(load, post, ms)
      // The first round warms up.
      if (r >= 0) costs.set(way, [...(costs.get(way) ?? []), cpuUs])
    }
  }
  return Object.fromEntries([...costs].map(([way, ofRounds]) => [way, median(ofRounds)])) as Record<Way, number>
}

/** What an event costs the gateway by GraphQL and by NDJSON: CPU time of its process, fsynced log included. */
export const graphqlBench: Bench<'rounds' | 'seconds' | 'connections' | 'profile'> = {
  summary: 'what an event costs the gateway that comes by GraphQL, beside NDJSON',
  options: {
    rounds: { value: 'N', help: 'rounds of all ways after one that warms up; the median is told [3]' },
    seconds: { value: 'N', help: 'seconds of each way in a round [2]' },
    connections: { value: 'N', help: 'requests under way at once [64]' },
    profile: { value: 'DIR', help: 'write a CPU profile of the gateway' },
  },
  async run(args, say) {
    const rounds = args.whole('rounds', 3, 1, 1_000)
    const seconds = args.whole('seconds', 2, 1, 600)
    const connections = args.whole('connections', 64, 1, 1_000)
    await using rig = await startRig({ parts: ['gateway'], profile: args.text('profile') })
    const load = { port: rig.port, pid: rig.pids.gateway, connections }
    const requestUs = await measure(load, createPosts(rig.keys.writeKey), rounds, seconds * 1_000)
    const us = (way: Way): number => requestUs[way] / WAYS[way].events
    const lines = (Object.keys(WAYS) as Way[]).map((way) => [way, round(requestUs[way]), round(us(way))])
    say(renderTable([['gateway', 'CPU µs a request', 'CPU µs an event'], ...lines]))
    return {
      requestUs: Object.fromEntries(Object.entries(requestUs).map(([way, one]) => [way, round(one)])),
      batchRatio: round(us('trackBatch 200') / us('NDJSON 200')),
      typedRatio: round(us('trackEvents 200') / us('NDJSON 200')),
      singlePerSecond: Math.round(1e6 / round(requestUs['trackEvents 1'])),
      singlePerSecondBySocket: Math.round(1e6 / round(requestUs['trackEvents 1 by WebSocket'])),
      goals: GOALS,
    }
  },
}
