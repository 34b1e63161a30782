import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { findNatsServer } from '#infra/nats/binary.ts'
import { connectNats, type Nats } from '#infra/nats/connect.ts'
import { createLogWriter } from '#infra/nats/log.ts'
import { startNatsServer } from '#infra/nats/server.ts'
import { ensureDeployment } from '#infra/nats/setup.ts'
import type { MetricDefinition } from '#schema/metric.ts'
import { type Frames, readFrames } from '../processor/frames.ts'
import { watchSettled } from '../processor/settled.ts'
import { startProcessor } from '../recovery/processor.ts'

export interface FillOptions {
  /** File of lines. */
  path: string
  partitions: number
  frameEvents: number
  metrics: readonly MetricDefinition[]
  /** Events a second at which the log grows while a processor settles it: its checkpoints are as small as then. */
  rate: number
}

const ACK_MS = 60_000
const LEASE_MS = 3_000

/** Appends the frames of all logs, a frame of each in turn, no faster than the rate. */
const fill = async (nats: Nats, logs: readonly Frames[], { frameEvents, metrics, rate }: FillOptions) => {
  const writer = createLogWriter(nats.broker)
  for (const partition of logs.keys()) {
    for (const metric of metrics) {
      const record = { kind: 'defineMetric' as const, tenant: 'main', metric }
      await writer.appendControl(partition, record, `define-${partition}-${metric.name}`)
    }
  }
  const startedAt = performance.now()
  let events = 0
  for (let i = 0; i < Math.max(...logs.map(({ length }) => length)); i++) {
    const turn = logs.flatMap((frames, partition) => (frames[i] ? [{ partition, data: frames[i].data }] : []))
    await Promise.all(
      turn.map(({ partition, data }) =>
        writer.append({ partition, messageId: `bench-${partition}-${i}`, data, counts: new Map() }, ACK_MS),
      ),
    )
    events += turn.length * frameEvents
    await delay(Math.max(0, (1_000 * events) / rate - (performance.now() - startedAt)))
  }
}

const countLines = (logs: readonly Frames[]): number =>
  logs.flat().reduce((sum, { data }) => sum + data.reduce((n, byte) => (byte === 0x0a ? n + 1 : n), 1), 0)

/** A nats-server whose logs hold the lines, settled by a real processor, which is gone. */
export const openFilledLog = async (options: FillOptions) => {
  const logs = await readFrames(options.path, options.partitions, options.frameEvents)
  const dataDir = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  const binary = await findNatsServer({ env: process.env, say: () => undefined })
  const server = await startNatsServer({ binary, dataDir, port: 0, env: process.env })
  const nats = await connectNats(server.url, 'millrace bench')
  const close = async (): Promise<void> => {
    await nats.nc.close()
    await server.kill()
    await rm(dataDir, { recursive: true, force: true })
  }
  try {
    await ensureDeployment(nats, options)
    await using settled = await watchSettled(nats, options.partitions)
    await using _processor = await startProcessor({ url: server.url, ...options, leaseMs: LEASE_MS })
    await fill(nats, logs, options)
    const events = await settled.reaches(countLines(logs))
    return {
      url: server.url,
      pid: server.pid,
      events,
      outcomes: settled.outcomes(),
      checkpoints: settled.checkpoints(),
      [Symbol.asyncDispose]: close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

export type FilledLog = Awaited<ReturnType<typeof openFilledLog>>
