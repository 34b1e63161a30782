import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLiveView } from '#gateway/live/live-view.ts'
import { createMetricReader } from '#gateway/live/metric-reader.ts'
import type { Point } from '#gateway/live/points.ts'
import type { Update } from '#gateway/live/subscription.ts'
import { fakeMetricStore, TENANT } from '#gateway/live/testing.ts'
import { createMetricAdmin } from '#gateway/metrics/metric-admin.ts'
import { createDuckDbOlap } from '#infra/duckdb/olap.ts'
import { connectNats } from '#infra/nats/connect.ts'
import { createLogWriter } from '#infra/nats/log.ts'
import { createCheckpointFeed, createOutputFeed } from '#infra/nats/outputs.ts'
import { ensureDeployment } from '#infra/nats/setup.ts'
import type { OlapWriter } from '#processors/ports.ts'
import { eventLine } from '#processors/storage/fixtures.ts'
import { startStorage } from '#processors/storage/storage.ts'
import type { MetricDefinition } from '#schema/metric.ts'
import { startTestNats } from './nats.ts'
import { ownPartition } from './pipeline.ts'

const HORIZON_MS = 10 * 60_000
const logger = { info() {}, warn() {}, error() {} }
const onFatal = (error: Error): never => {
  throw error
}

/** `time`: milliseconds since 1970. */
type ChainEvent = { key: string; time: number } & Parameters<typeof eventLine>[1]

/** The whole way of windows with one partition: log, processor, DuckDB, and gateways as their readers see them. */
export const openWindowChain = async (...definitions: MetricDefinition[]) => {
  const server = await startTestNats()
  const nats = await connectNats(server.url, 'test')
  await ensureDeployment(nats, { partitions: 1 })
  const folder = await mkdtemp(join(tmpdir(), 'millrace-windows-'))
  const olap = await createDuckDbOlap({ folder, partitions: 1, logger })
  const storage = await startStorage({
    writer: olap,
    feed: createOutputFeed(nats.broker),
    clock: { now: Date.now, monotonic: () => performance.now() },
    logger,
    metrics: { written() {} },
    onFatal,
    settings: { flushMs: 10 },
  })
  const log = createLogWriter(nats.broker)
  const metrics = fakeMetricStore()
  const admin = createMetricAdmin({ metrics, log, partitions: 1 })
  for (const { version: _, ...metric } of definitions) await admin.define(TENANT, metric)
  let owner = ownPartition(nats)
  let sent = 0

  const sendFrame = async (events: readonly ChainEvent[]): Promise<void> => {
    const lines = events.map((event) => {
      const line = eventLine(`e${sent++}`, { tenant: TENANT, receivedAt: Date.now(), ...event })
      return JSON.stringify(line)
    })
    const counts = new Map([[TENANT, lines.length]])
    const data = new TextEncoder().encode(lines.join('\n'))
    await log.append({ partition: 0, messageId: `frame-${sent}`, data, counts }, 20_000)
  }

  return {
    sendFrame,

    /** One event a frame. */
    async send(...events: ChainEvent[]): Promise<void> {
      for (const event of events) await sendFrame([event])
    },

    olap,

    async restartProcessor(): Promise<void> {
      await owner.stop()
      owner = ownPartition(nats)
    },

    /** A gateway whose clock is `aheadMs` of ours: what is old by it has left its live view. */
    async openGateway(aheadMs = 0) {
      const clock = { now: () => Date.now() + aheadMs }
      const horizonMs = () => HORIZON_MS
      const feed = createCheckpointFeed(nats.broker)
      const view = createLiveView({ feed, metrics, partitions: 1, clock, horizonMs, log: logger })
      await view.ready(20_000)
      view.sweep()
      let questions = 0
      const counted: OlapWriter = {
        ...olap,
        aggregates(query) {
          questions++
          return olap.aggregates(query)
        },
        sessions(query) {
          questions++
          return olap.sessions(query)
        },
      }
      const options = { view, metrics, clock, deploymentId: 'd', horizonMs, paceMs: 0, patienceMs: 20_000 }
      const reader = createMetricReader({ ...options, olap: counted })
      /** `questions`: how often the store was asked. */
      return { view, reader, questions: () => questions }
    },

    async [Symbol.asyncDispose](): Promise<void> {
      await owner.stop()
      await storage.stop()
      await olap.close()
      await nats.nc.close()
      await server[Symbol.asyncDispose]()
      await rm(folder, { recursive: true })
    },
  }
}

/** Pulls updates until `isThere` says so of all points that were pushed; answers every update. */
export const pullUntil = async (
  updates: AsyncIterator<Update>,
  isThere: (points: Point[]) => boolean,
): Promise<Update[]> => {
  const seen: Update[] = []
  while (!isThere(seen.flatMap(({ points }) => points))) seen.push((await updates.next()).value)
  return seen
}
