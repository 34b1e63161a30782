import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findNatsServer } from '#infra/nats/binary.ts'
import { connectNats, type Nats } from '#infra/nats/connect.ts'
import { createLogWriter } from '#infra/nats/log.ts'
import { startNatsServer } from '#infra/nats/server.ts'
import { ensureDeployment } from '#infra/nats/setup.ts'
import type { MetricDefinition } from '#schema/metric.ts'
import { cpuSeconds } from '#scripts/lib/usage.ts'
import { startProcessor } from '../recovery/processor.ts'
import { type Frames, readFrames } from './frames.ts'
import { watchSettled } from './settled.ts'

export interface StreamOptions {
  /** File of lines. */
  path: string
  partitions: number
  frameEvents: number
  metrics: readonly MetricDefinition[]
  /** Folder of a CPU profile of the processor. */
  profile?: string
}

const ACK_MS = 60_000
const LEASE_MS = 3_000
/** Share of the events that goes before measuring: start, take-over, compiler. */
const WARM_UP = 0.25

const fillLogs = async (nats: Nats, logs: readonly Frames[], metrics: readonly MetricDefinition[]): Promise<void> => {
  const writer = createLogWriter(nats.broker)
  const fill = async (frames: Frames, partition: number): Promise<void> => {
    for (const metric of metrics)
      await writer.appendControl(
        partition,
        { kind: 'defineMetric', tenant: 'main', metric },
        `define-${partition}-${metric.name}`,
      )
    for (const [i, { data }] of frames.entries()) {
      await writer.append({ partition, messageId: `bench-${partition}-${i}`, data, counts: new Map() }, ACK_MS)
    }
  }
  await Promise.all(logs.map(fill))
}

const follow = async (nats: Nats, url: string, { partitions, profile }: StreamOptions, events: number) => {
  await using settled = await watchSettled(nats, partitions)
  await using processor = await startProcessor({ url, partitions, leaseMs: LEASE_MS, profile })
  const warm = await settled.reaches(events * WARM_UP)
  const cpuBefore = await cpuSeconds(processor.pid)
  const checkpointsBefore = settled.checkpoints()
  const all = await settled.reaches(events)
  const cpu = (await cpuSeconds(processor.pid)) - cpuBefore
  if (profile) await processor.stop()
  return {
    usPerEvent: (cpu * 1e6) / (all - warm),
    eventsPerCheckpoint: (all - warm) / (settled.checkpoints() - checkpointsBefore),
  }
}

/** Processor time per event of a processor that reads filled logs from a real JetStream and commits to it. */
export const measureStream = async (options: StreamOptions) => {
  const { path, partitions, frameEvents, metrics } = options
  const logs = await readFrames(path, partitions, frameEvents)
  const events = logs
    .flat()
    .reduce((sum, { data }) => sum + data.reduce((n, byte) => (byte === 0x0a ? n + 1 : n), 1), 0)
  const dataDir = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  const binary = await findNatsServer({ env: process.env, say: () => undefined })
  const server = await startNatsServer({ binary, dataDir, port: 0, env: process.env })
  const nats = await connectNats(server.url, 'millrace bench')
  try {
    await ensureDeployment(nats, { partitions })
    await fillLogs(nats, logs, metrics)
    return await follow(nats, server.url, options, events)
  } finally {
    await nats.nc.close()
    await server.kill()
    await rm(dataDir, { recursive: true, force: true })
  }
}
