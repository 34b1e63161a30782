import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pass } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { EventVerdict } from '#gateway/collect/verdict.ts'
import { connectNats, type Nats } from '#infra/nats/connect.ts'
import { createPartitionLog } from '#infra/nats/log.ts'
import { createReports, publishPartitionReport } from '#infra/nats/reports.ts'
import { ensureDeployment } from '#infra/nats/setup.ts'
import { createSheddingStore } from '#infra/nats/shedding.ts'
import { createStateStore } from '#infra/nats/state.ts'
import { postGraphql } from '#infra/testing/graphql.ts'
import { startTestNats, type TestNats } from '#infra/testing/nats.ts'
import { until } from '#infra/testing/until.ts'
import type { PartitionLog } from '#processors/ports.ts'
import { runPartition } from '#processors/runtime/owner.ts'
import type { EventLine } from '#schema/event.ts'
import type { LogMessage } from '#schema/frame.ts'
import { BUCKETS } from '#schema/subjects.ts'
import { ensureKeys, type Keys } from './first-keys.ts'

const MAIN = fileURLToPath(new URL('gateway.main.ts', import.meta.url))
/** Events a second that the processor can take, of the 900 that come: an eighth of the pings and all others. */
const CAPACITY = 300
const ROUND_MS = 100
const SESSIONS = 20
const PINGS = 4
const OTHERS = 5
/** Rounds under one and the same share before the load ends. */
const STEADY_ROUNDS = 25
const SEED = [3, 14, 159, 2_653]

let server: TestNats
let nats: Nats
let folder: string
let keys: Keys
let gateways: { child: ChildProcess; url: string }[]

const startGateway = async () => {
  const flags = [`--nats-url=${server.url}`, '--port=0', '--grpc-port=0', '--partitions=1', '--log-level=error']
  const child = fork(MAIN, flags)
  const [message] = (await once(child, 'message')) as [{ ports: { http: number } }]
  return { child, url: `http://127.0.0.1:${message.ports.http}` }
}

beforeAll(async () => {
  server = await startTestNats()
  nats = await connectNats(server.url, 'test')
  folder = await mkdtemp(join(tmpdir(), 'millrace-overload-'))
  // The same secret at every run, so the same sessions.
  const bucket = await nats.kvm.create(BUCKETS.deployment, { history: 1 })
  const record = { format: 1, id: 'overload', partitions: 1, hashSeed: SEED, createdAt: Date.now() }
  await bucket.create('settings', JSON.stringify(record))
  await ensureDeployment(nats, { partitions: 1 })
  keys = await ensureKeys(nats, folder)
  gateways = await Promise.all([startGateway(), startGateway()])
})
afterAll(async () => {
  for (const { child } of gateways ?? []) child.kill('SIGKILL')
  await nats?.close()
  await server?.[Symbol.asyncDispose]()
  if (folder) await rm(folder, { recursive: true })
})

/** The only owner, whose reading is as slow as CAPACITY says; keeps what it has read. */
const startSlowOwner = async () => {
  const log = createPartitionLog(nats.broker, 0)
  const messages: LogMessage[] = []
  const linesOf = ({ kind, data }: LogMessage): EventLine[] =>
    kind === 'control' || data.length === 0
      ? []
      : Buffer.from(data)
          .toString()
          .split('\n')
          .map((line) => JSON.parse(line) as EventLine)
  const slow: PartitionLog = {
    ...log,
    async *read(sequence, signal) {
      let freeAt = performance.now()
      for await (const message of log.read(sequence, signal)) {
        freeAt = Math.max(freeAt, performance.now()) + (linesOf(message).length / CAPACITY) * 1_000
        await pass(Math.max(0, freeAt - performance.now()))
        messages.push(message)
        yield message
      }
    },
  }
  const book = await createSheddingStore(nats.broker)
  const reports = createReports(nats.broker)
  const stopping = new AbortController()
  const done = runPartition(
    {
      partition: 0,
      owner: 'slow',
      log: slow,
      state: createStateStore(nats.broker, 0),
      reports: { publish: (report) => publishPartitionReport(nats.broker, report), partitions: reports.partitions },
      shedding: { book, settings: { shedLagMs: 1_000, calmMs: 1_000 } },
      seed: Uint32Array.from(SEED),
      settings: { checkpointMs: 50, liveIdleMs: 3_600_000, importIdleMs: 3_600_000 },
      clock: { now: Date.now, monotonic: () => performance.now() },
      logger: { info() {}, warn() {}, error() {} },
      metrics: { checkpoint() {}, hole() {} },
    },
    stopping.signal,
  )
  return {
    decision: () => book.last(0),
    lines: () => messages.flatMap(linesOf),
    received: (count: 'accepted' | 'shed') =>
      messages.flatMap(({ received }) => received ?? []).reduce((sum, one) => sum + one[count], 0),
    async stop() {
      stopping.abort()
      await done
      book.stop()
      reports.stop()
    },
  }
}

const ask = async <T>(key: string, query: string, variables: object = {}): Promise<T> => {
  const answer = await postGraphql<T>(`${gateways[0].url}/graphql`, key, JSON.stringify({ query, variables }))
  if (answer.errors || !answer.data) throw new Error(JSON.stringify(answer.errors ?? answer))
  return answer.data
}

const PIPELINE = '{ pipeline { keptShare sheddingSince shedding { partition share since reason } } }'
interface Pipeline {
  keptShare: number
  sheddingSince: string | null
  shedding: { partition: number; share: number; since: string; reason: string }[]
}
const readPipeline = async (): Promise<Pipeline> =>
  (await ask<{ pipeline: Pipeline }>(keys.readToken, PIPELINE)).pipeline

/** Sum of a metric's minutes, and the lowest share that one of them says was kept. */
const readMetric = async (name: string): Promise<{ value: number; sampled: number }> => {
  const [from, to] = [-1, 1].map((hours) => new Date(Date.now() + hours * 3_600_000).toISOString())
  const query = `query ($name: String!, $from: DateTime!, $to: DateTime!) {
    metric(name: $name, window: { tumbling: "PT1M" }, from: $from, to: $to, by: []) { points { value sampled } } }`
  const { metric } = await ask<{ metric: { points: { value: number; sampled: number }[] } }>(keys.readToken, query, {
    name,
    from,
    to,
  })
  return {
    value: metric.points.reduce((sum, { value }) => sum + value, 0),
    sampled: Math.min(...metric.points.map(({ sampled }) => sampled)),
  }
}

interface SentEvent {
  id: string
  name: string
  sessionId: string
  properties?: { amount: number }
}

/** What each event was told, by id. */
const send = async (gateway: number, events: readonly SentEvent[]): Promise<Map<string, EventVerdict>> => {
  const response = await fetch(`${gateways[gateway].url}/v1/events?all=true`, {
    method: 'POST',
    headers: { authorization: `Bearer ${keys.writeKey}` },
    body: events.map((event) => JSON.stringify(event)).join('\n'),
  })
  const { verdicts = [] } = (await response.json()) as { verdicts?: EventVerdict[] }
  return new Map(verdicts.map((verdict) => [verdict.id, verdict]))
}

/** Whole sessions of pings, each event of them by another gateway than the one before, and events that are not LOW. */
const roundOf = (round: number): SentEvent[] => [
  ...Array.from({ length: SESSIONS * PINGS }, (_, i) => ({
    id: `ping-${round}-${i}`,
    name: 'ping',
    sessionId: `session-${round}-${i % SESSIONS}`,
    properties: { amount: 1 + (i % 7) },
  })),
  ...Array.from({ length: 2 * OTHERS }, (_, i) => ({
    id: `other-${round}-${i}`,
    name: i % 2 === 0 ? 'conversion' : 'page_view',
    sessionId: `session-${round}-${i % SESSIONS}`,
    properties: { amount: 1 },
  })),
]

/** Three times what the processor can take, until it was long enough under one share. */
const overload = async (owner: Awaited<ReturnType<typeof startSlowOwner>>) => {
  const sent: SentEvent[] = []
  const verdicts = new Map<string, EventVerdict>()
  const steady: number[] = []
  const rounds: Promise<void>[] = []
  const begun = performance.now()
  let lastDecision: unknown
  for (let round = 0; steady.length < STEADY_ROUNDS && round < 1_000; round++) {
    const decision = owner.decision()
    // It was there a round ago: every gateway has heard of it.
    const isSettled = decision !== undefined && decision === lastDecision && decision.tenants[0]?.share <= 0.25
    lastDecision = decision
    const events = roundOf(round)
    sent.push(...events)
    const halves = [0, 1].map((half) => events.filter((_, i) => Math.floor(i / SESSIONS) % 2 === half))
    const answered = Promise.all(halves.map((half, gateway) => send(gateway, half))).then((answers) => {
      for (const answer of answers) for (const [id, verdict] of answer) verdicts.set(id, verdict)
      if (isSettled && owner.decision() === decision) steady.push(round)
    })
    rounds.push(answered)
    await pass(Math.max(0, begun + (round + 1) * ROUND_MS - performance.now()))
  }
  await Promise.all(rounds)
  return { sent, verdicts, steady }
}

test('three times the capacity: LOW events are shed by whole sessions, all others count, and it comes back by itself', async () => {
  const owner = await startSlowOwner()
  const define = (name: string, measure: object) =>
    ask(keys.adminToken, 'mutation ($input: MetricInput!) { defineMetric(input: $input) { version } }', {
      input: { name, event: 'ping', measure, dimensions: [], windows: [{ tumbling: 'PT1M' }] },
    })
  await define('pings', { count: true })
  await define('spent', { sum: 'properties.amount' })
  expect(await readPipeline()).toEqual({ keptShare: 1, sheddingSince: null, shedding: [] })
  const load = overload(owner)
  const seen = await until('the pipeline says what is shed', async () => {
    const pipeline = await readPipeline()
    return pipeline.keptShare <= 0.25 && pipeline
  })
  expect(seen.shedding).toEqual([
    {
      partition: 0,
      share: seen.keptShare,
      since: seen.sheddingSince,
      reason: expect.stringMatching(/^\d+\.\d s behind: [\d,]+ events\/s arrive, [\d,]+\/s are processed$/),
    },
  ])
  const { sent, verdicts, steady } = await load

  const statusOf = ({ id }: SentEvent) => verdicts.get(id)?.status
  const [pings, others] = [sent.filter(({ name }) => name === 'ping'), sent.filter(({ name }) => name !== 'ping')]
  expect(others.filter((event) => statusOf(event) === 'SHED')).toEqual([])
  expect(new Set(pings.map(statusOf))).toEqual(new Set(['ACCEPTED', 'SHED']))
  expect(steady.length).toBeGreaterThanOrEqual(STEADY_ROUNDS)
  const isSteady = new Set(steady.map(String))
  const sessions = Map.groupBy(pings, ({ sessionId }) => sessionId)
  for (const [session, events] of sessions) {
    if (isSteady.has(session.split('-')[1])) expect([session, new Set(events.map(statusOf)).size]).toEqual([session, 1])
  }

  // Back to all, once what had piled up is worked off.
  await until('nothing is shed any more', async () => {
    const pipeline = await readPipeline()
    return pipeline.keptShare === 1 && pipeline.sheddingSince === null
  })
  const acknowledged = others.filter((event) => event.name === 'conversion' && statusOf(event) === 'ACCEPTED').length
  expect(acknowledged).toBeGreaterThan(0)
  const orders = await until('every conversion counts', async () => {
    const conversions = await readMetric('conversions')
    return conversions.value === acknowledged && conversions
  })
  expect(orders.sampled).toBe(1)

  // The headers of the frames say how many were shed, and so does every gateway.
  const shed = pings.filter((event) => statusOf(event) === 'SHED').length
  await until('the log has the counts of what was shed', () => owner.received('shed') === shed)
  const refused = await Promise.all(
    gateways.map(async ({ url }) => {
      const text = await (await fetch(`${url}/metrics`)).text()
      expect(text).toContain('millrace_kept_share{partition="0"} 1')
      return Number(/millrace_events_refused_total\{code="SHED"\} (\d+)/.exec(text)?.[1])
    }),
  )
  expect(refused[0] + refused[1]).toBe(shed)

  const kept = owner.lines().filter(({ e }) => e.name === 'ping')
  expect(owner.received('accepted')).toBe(owner.lines().length)
  await checkEstimate('pings', pings, kept, () => 1)
  await checkEstimate('spent', pings, kept, ({ properties }) => Number(properties?.amount))
  await owner.stop()
}, 180_000)

/** Within three standard errors of what was sent, as far as that was answered. A session is kept or shed as a whole. */
const checkEstimate = async (
  metric: string,
  sent: readonly SentEvent[],
  kept: readonly EventLine[],
  of: (event: Pick<EventLine['e'], 'properties'>) => number,
): Promise<void> => {
  const truth = sent.reduce((sum, event) => sum + of(event), 0)
  let variance = 0
  for (const events of Map.groupBy(kept, ({ key }) => key).values()) {
    for (const a of events) for (const b of events) variance += of(a.e) * of(b.e) * a.weight * (b.weight - 1)
  }
  const { value, sampled } = await readMetric(metric)
  const summed = kept.reduce((sum, { e, weight }) => sum + weight * of(e), 0)
  expect(value).toBe(summed)
  expect(Math.abs(value - truth)).toBeLessThan(3 * Math.sqrt(variance))
  expect(sampled).toBeLessThan(1)
}
