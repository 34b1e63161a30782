import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createLiveView } from '#gateway/live/live-view.ts'
import { createMetricReader } from '#gateway/live/metric-reader.ts'
import type { Point } from '#gateway/live/points.ts'
import type { Update } from '#gateway/live/subscription.ts'
import { definition, fakeMetricStore, TENANT } from '#gateway/live/testing.ts'
import { createDuckDbOlap } from '#infra/duckdb/olap.ts'
import { connectNats, type Nats } from '#infra/nats/connect.ts'
import { createLogWriter } from '#infra/nats/log.ts'
import { createCheckpointFeed, createOutputFeed } from '#infra/nats/outputs.ts'
import { ensureDeployment } from '#infra/nats/setup.ts'
import { startTestNats, type TestNats } from '#infra/testing/nats.ts'
import { ownPartition } from '#infra/testing/pipeline.ts'
import type { OlapWriter } from '#processors/ports.ts'
import { eventLine } from '#processors/storage/fixtures.ts'
import { type Storage, startStorage } from '#processors/storage/storage.ts'
import type { MetricDefinition } from '#schema/metric.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const BASE = Math.floor(Date.now() / HOUR) * HOUR - HOUR
const WINDOW = { kind: 'SESSION', gapMs: MINUTE } as const
const logger = { info() {}, warn() {}, error() {} }

const visits: MetricDefinition = definition({ name: 'visits', dimensions: ['country'], windows: [WINDOW] })
const metrics = fakeMetricStore(visits)

let server: TestNats
let nats: Nats
let folder: string
let olap: OlapWriter
let storage: Storage
let owner: ReturnType<typeof ownPartition>
beforeEach(async () => {
  server = await startTestNats()
  nats = await connectNats(server.url, 'test')
  await ensureDeployment(nats, { partitions: 1 })
  folder = await mkdtemp(join(tmpdir(), 'millrace-sessions-'))
  olap = await createDuckDbOlap({ folder, partitions: 1, logger })
  const clock = { now: Date.now, monotonic: () => performance.now() }
  const onFatal = (error: Error): never => {
    throw error
  }
  const feed = createOutputFeed(nats.broker)
  const written = { written() {} }
  storage = await startStorage({
    writer: olap,
    feed,
    clock,
    logger,
    metrics: written,
    onFatal,
    settings: { flushMs: 10 },
  })
  owner = ownPartition(nats)
  await createLogWriter(nats.broker).appendControl(
    0,
    { kind: 'defineMetric', tenant: TENANT, metric: visits },
    'definition',
  )
})
afterEach(async () => {
  await owner.stop()
  await storage.stop()
  await olap.close()
  await nats.nc.close()
  await server[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

let sent = 0
/** One event a frame: [session id, seconds after BASE, country]. */
const send = async (...events: [string, number, string][]): Promise<void> => {
  for (const [key, seconds, country] of events) {
    const id = `e${sent++}`
    const time = BASE + seconds * 1_000
    const line = eventLine(id, { tenant: TENANT, key, time, receivedAt: Date.now(), country })
    const data = new TextEncoder().encode(JSON.stringify(line))
    const frame = { partition: 0, messageId: id, data, counts: new Map([[TENANT, 1]]) }
    await createLogWriter(nats.broker).append(frame, 20_000)
  }
}

/** A gateway whose clock is `ahead` of ours: sessions that can change no more have left it after two hours. */
const openGateway = async (ahead = 0) => {
  const clock = { now: () => Date.now() + ahead }
  const horizonMs = () => 10 * MINUTE
  const feed = createCheckpointFeed(nats.broker)
  const view = createLiveView({ feed, metrics, partitions: 1, clock, horizonMs, log: logger })
  await view.ready(20_000)
  let questions = 0
  const counted: OlapWriter = {
    ...olap,
    sessions(query) {
      questions++
      return olap.sessions(query)
    },
  }
  const options = { view, metrics, olap: counted, clock, deploymentId: 'd', horizonMs, paceMs: 0, patienceMs: 20_000 }
  const reader = createMetricReader(options)
  const request = { metric: 'visits', window: WINDOW }
  return {
    view,
    questions: () => questions,
    read: async () =>
      (await reader.range(TENANT, { ...request, from: BASE - HOUR, to: BASE + HOUR, limit: 1_000 })).points,
    subscribe: () => reader.subscribe(TENANT, { ...request, last: 100 }),
  }
}

const brief = ({ windowStart, windowEnd, dimensions, events, value, status }: Point) => [
  (windowStart - BASE) / 1_000,
  (windowEnd - BASE) / 1_000,
  dimensions.join('/'),
  events,
  value,
  status,
]

/** Pulls updates until `isThere` says so of all points that were pushed last; answers every update. */
const pullUntil = async (updates: AsyncIterator<Update>, isThere: (points: Point[]) => boolean): Promise<Update[]> => {
  const seen: Update[] = []
  while (!isThere(seen.flatMap(({ points }) => points))) seen.push((await updates.next()).value)
  return seen
}

it('a late event that bridges two sessions retracts one, live and stored alike, across a restart of the processor', async () => {
  await send(['s', 0, 'DE'], ['s', 30, 'AT'], ['s', 120, 'DE'], ['t', 60, 'DE'])
  const live = await openGateway()
  const updates = await live.subscribe()
  const first = await pullUntil(updates, (points) => points.some(({ dimensions }) => dimensions[0] === 't'))
  const before = new Map(first.flatMap(({ points }) => points).map((point) => [brief(point).slice(0, 3).join(), point]))
  expect([...before.values()].map(brief)).toEqual(
    expect.arrayContaining([
      [0, 90, 's/AT', 1, 1, 'COMPLETE'],
      [0, 90, 's/DE', 1, 1, 'COMPLETE'],
      [120, 180, 's/DE', 1, 1, 'PROVISIONAL'],
      [60, 120, 't/DE', 1, 1, 'PROVISIONAL'],
    ]),
  )

  await owner.stop()
  owner = ownPartition(nats)
  await send(['s', 75, 'CH'])
  const bridged = await pullUntil(updates, (points) => points.some(({ status }) => status === 'RETRACTED'))
  const merged = [
    [0, 180, 's/AT', 1, 1, 'PROVISIONAL'],
    [0, 180, 's/CH', 1, 1, 'PROVISIONAL'],
    [0, 180, 's/DE', 2, 2, 'PROVISIONAL'],
  ]
  expect(bridged.flatMap(({ points }) => points).map(brief)).toEqual([
    ...merged,
    [120, 180, 's/DE', 0, null, 'RETRACTED'],
  ])
  expect((await live.read()).map(brief)).toEqual([...merged, [60, 120, 't/DE', 1, 1, 'PROVISIONAL']])

  // Half an hour later nothing can change them any more.
  await send(['u', 1_800, 'DE'])
  await pullUntil(updates, (points) => points.some(({ status }) => status === 'FINAL'))
  await updates.return?.()
  const points = await live.read()
  expect(points.map(brief)).toEqual([
    ...merged.map((one) => one.with(5, 'FINAL')),
    [60, 120, 't/DE', 1, 1, 'FINAL'],
    [1_800, 1_860, 'u/DE', 1, 1, 'PROVISIONAL'],
  ])
  expect(live.questions()).toBe(0)

  const anew = await openGateway()
  expect(await anew.read()).toEqual(points)
  expect(anew.questions()).toBe(0)
  const later = await openGateway(4 * HOUR)
  expect(await later.read()).toEqual(points)
  expect(later.questions()).toBeGreaterThan(0)
  const snapshot = await later.subscribe()
  expect((await snapshot.next()).value).toMatchObject({ kind: 'SNAPSHOT', points })
  await snapshot.return?.()
  await Promise.all([live, anew, later].map(({ view }) => view.close()))
})
