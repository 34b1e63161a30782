import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { type Config, loadConfig } from '#infra/config.ts'
import { connectNats } from '#infra/nats/connect.ts'
import { createLeases } from '#infra/nats/leases.ts'
import { createPartitionLog } from '#infra/nats/log.ts'
import { createReports, publishPartitionReport, publishRefusal } from '#infra/nats/reports.ts'
import { ensureDeployment } from '#infra/nats/setup.ts'
import { createSheddingStore } from '#infra/nats/shedding.ts'
import { createStateStore } from '#infra/nats/state.ts'
import { STOP_TRACING_MS, startTracing } from '#infra/otel/tracing.ts'
import { keptBy } from '#infra/retention.ts'
import { type OwnerMetrics, runPartition } from '#processors/runtime/owner.ts'
import { createProcessor } from '#processors/runtime/processor.ts'
import { createTurns } from '#processors/runtime/turns.ts'
import { startAdminServer } from './admin-server.ts'
import { createLogger, onStop, reportReady, tellOperator } from './child.ts'
import { createPartitionMetrics } from './partition-metrics.ts'

const STOP_MS = 10_000
const REFUSALS_MS = 1_000

const createMetrics = (registry: Registry): OwnerMetrics => {
  const duration = new Histogram({
    name: 'millrace_checkpoint_seconds',
    help: 'Time of one checkpoint, from sealing to its acknowledgement',
    buckets: [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5],
    registers: [registry],
  })
  const events = new Counter({
    name: 'millrace_settled_events_total',
    help: 'Events of the log that a checkpoint settled',
    registers: [registry],
  })
  const holes = new Counter({
    name: 'millrace_log_hole_messages_total',
    help: 'Messages of the log that had expired before they were read',
    labelNames: ['partition'],
    registers: [registry],
  })
  return {
    checkpoint: (_partition, durationMs, count) => {
      duration.observe(durationMs / 1000)
      events.inc(count)
    },
    hole: (partition, messages) => holes.inc({ partition }, messages),
  }
}

const main = async (config: Config): Promise<void> => {
  const logger = createLogger('processor', config.logLevel)
  const nats = await connectNats(config.natsUrl ?? `nats://127.0.0.1:${config.natsPort}`, 'millrace processor')
  const kept = keptBy(config)
  const deployment = await ensureDeployment(nats, { partitions: config.partitions })
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const owner = `${hostname()}-${process.pid}-${randomUUID().slice(0, 8)}`
  const { otlpEndpoint: endpoint, traceRatio: ratio } = config
  const tracing = await startTracing({ endpoint, ratio, service: 'millrace-processor', instance: owner, logger })
  const leases = await createLeases(nats.broker, { owner, kind: 'processor', leaseMs: config.leaseMs })
  const reports = createReports(nats.broker)
  const sheddingBook = await createSheddingStore(nats.broker)
  const metrics = createMetrics(registry)
  const seed = Uint32Array.from(deployment.hashSeed)
  const settings = {
    checkpointMs: config.checkpointMs,
    liveIdleMs: config.idleMs,
    importIdleMs: config.importIdleMs,
  }
  const turns = createTurns()
  const reportRefusals = (): void => {
    for (const [partition, reason] of processor.refused()) {
      publishRefusal(nats.broker, { partition, owner, reason, at: Date.now() })
    }
  }
  const processor = createProcessor({
    partitions: deployment.partitions,
    leases,
    logger,
    onRefused: (partition, reason) => {
      tellOperator(`partition ${partition} is refused: ${reason}`)
      reportRefusals()
    },
    run: (partition, signal, onReady) =>
      runPartition(
        {
          partition,
          owner,
          onReady,
          log: createPartitionLog(nats.broker, partition),
          state: createStateStore(nats.broker, partition, kept),
          shedding: { book: sheddingBook, settings: { shedLagMs: config.shedLagMs, calmMs: config.shedCalmMs } },
          reports: {
            publish(report) {
              noteReport(report)
              publishPartitionReport(nats.broker, report)
            },
            partitions: reports.partitions,
          },
          seed,
          settings,
          clock: { now: Date.now, monotonic: () => performance.now() },
          logger,
          metrics,
          turns,
          tracer: tracing.tracer,
        },
        signal,
      ),
  })
  new Gauge({
    name: 'millrace_owned_partitions',
    help: 'Partitions that this processor owns',
    registers: [registry],
    collect() {
      this.set(processor.owned().length)
    },
  })
  const noteReport = createPartitionMetrics(registry, processor.owned, sheddingBook.last)
  // A processor that waits for partitions is ready: another one owns them.
  const admin = await startAdminServer(config.adminPort, config.host, registry, () =>
    nats.nc.isClosed()
      ? ['the connection to NATS is closed']
      : [...processor.refused()].map(([partition, reason]) => `partition ${partition} is refused: ${reason}`),
  )
  const refusals = setInterval(reportRefusals, REFUSALS_MS)
  reportReady({ admin: admin.port })
  logger.info({ owner, admin: admin.port }, 'processor started')
  onStop(logger, STOP_MS + STOP_TRACING_MS, async () => {
    clearInterval(refusals)
    await processor.stop()
    reports.stop()
    sheddingBook.stop()
    await admin.close()
    await nats.close()
    await tracing.stop()
  })
}

await main(loadConfig(process.argv.slice(2), process.env))
