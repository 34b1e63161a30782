import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { type Config, loadConfig } from '#infra/config.ts'
import { createDuckDbOlap } from '#infra/duckdb/olap.ts'
import { connectNats, type Nats } from '#infra/nats/connect.ts'
import { createHeaderFeed } from '#infra/nats/header-feed.ts'
import { createLeases } from '#infra/nats/leases.ts'
import { serveOlap } from '#infra/nats/olap-server.ts'
import { createOutputFeed } from '#infra/nats/outputs.ts'
import { publishStorageReport } from '#infra/nats/reports.ts'
import { ensureDeployment } from '#infra/nats/setup.ts'
import { STOP_TRACING_MS, startTracing } from '#infra/otel/tracing.ts'
import { keptBy } from '#infra/retention.ts'
import type { OlapWriter } from '#processors/ports.ts'
import { isHealed, messagesIn } from '#processors/storage/holes.ts'
import { waitForLease } from '#processors/storage/lease.ts'
import { startReceivedReader, withSettledUntil } from '#processors/storage/received.ts'
import { type Storage, type StorageDeps, startStorage } from '#processors/storage/storage.ts'
import { createStoreSpans } from '#processors/storage/store-span.ts'
import type { StorageReport } from '#schema/report.ts'
import { startAdminServer } from './admin-server.ts'
import { startArchiveProcess } from './archive.ts'
import { createLogger, onStop, reportReady } from './child.ts'
import { watchConnection } from './connection.ts'
import { type AnsweringStore, startDruidStore } from './druid-store.ts'

const STOP_MS = 10_000
const REPORT_MS = 1_000
const LEASE = 'storage'

const createMetrics = (registry: Registry): StorageDeps['metrics'] => {
  const duration = new Histogram({
    name: 'millrace_store_write_seconds',
    help: 'Time of one write to the OLAP store: rows and positions in one transaction',
    buckets: [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5],
    registers: [registry],
  })
  const events = new Counter({
    name: 'millrace_stored_events_total',
    help: 'Counted events that were written to the OLAP store',
    registers: [registry],
  })
  return {
    written(durationMs, count) {
      duration.observe(durationMs / 1000)
      events.inc(count)
    },
  }
}

const measure = (registry: Registry, storage: Storage): void => {
  new Gauge({
    name: 'millrace_store_checkpoint',
    help: 'Last checkpoint of each partition that the OLAP store holds',
    labelNames: ['partition'],
    registers: [registry],
    collect() {
      for (const [partition, checkpoint] of storage.positions().entries()) this.set({ partition }, checkpoint)
    },
  })
  new Gauge({
    name: 'millrace_store_pending_bytes',
    help: 'Bytes that were read and wait to be written',
    registers: [registry],
    collect() {
      this.set(storage.pendingBytes())
    },
  })
}

/** What was acknowledged and is not in the store: an alarm for as long as it is not 0. */
const measureHoles = (registry: Registry, storage: Storage): void => {
  new Gauge({
    name: 'millrace_store_missing_messages',
    help: 'Messages of the log that had expired before they were stored, until an operator has taken note of them',
    labelNames: ['partition'],
    registers: [registry],
    collect() {
      for (const partition of storage.positions().keys()) this.set({ partition }, 0)
      for (const hole of storage.holes()) {
        if (hole.acknowledgedAt === null && !isHealed(hole)) this.inc({ partition: hole.partition }, messagesIn(hole))
      }
    },
  })
}

/**
 * Says how far the store is: once a second, and after every write, so that nobody who waits for a row has to poll. A
 * report that cannot be made is followed by the next.
 */
const createStoreReports = (nats: Nats, olap: OlapWriter) => {
  let letters: Pick<StorageReport, 'deadLetters' | 'deadLettersByTenant'> | undefined
  const publish = (positions: readonly number[]): void => {
    if (letters) publishStorageReport(nats.broker, { ...letters, positions: [...positions], at: Date.now() })
  }
  const count = async (): Promise<void> => {
    const { rows } = await olap.sql('SELECT tenant, count(*) FROM dead_letters GROUP BY tenant')
    const counts = rows.map(([tenant, letters]): [string, number] => [tenant as string, Number(letters)])
    const deadLetters = counts.reduce((sum, [, count]) => sum + count, 0)
    letters = { deadLetters, deadLettersByTenant: Object.fromEntries(counts) }
  }
  return {
    publish,
    start(positions: () => readonly number[]): () => void {
      const report = () => count().then(() => publish(positions()))
      const timer = setInterval(() => void report().catch(() => undefined), REPORT_MS)
      return () => clearInterval(timer)
    },
  }
}

const main = async (config: Config): Promise<void> => {
  const logger = createLogger('storage', config.logLevel)
  const nats = await connectNats(config.natsUrl ?? `nats://127.0.0.1:${config.natsPort}`, 'millrace storage')
  const kept = keptBy(config)
  const { partitions, id: deploymentId } = await ensureDeployment(nats, { partitions: config.partitions })
  const connection = watchConnection(nats, logger)
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const owner = `${hostname()}-${process.pid}-${randomUUID().slice(0, 8)}`
  const { otlpEndpoint: endpoint, traceRatio: ratio } = config
  const tracing = await startTracing({ endpoint, ratio, service: 'millrace-storage', instance: owner, logger })
  const leases = await createLeases(nats.broker, { owner, kind: 'storage', leaseMs: config.leaseMs })

  const stopping = new AbortController()
  let stopWork = async (): Promise<void> => undefined
  let readiness = (): string[] => ['another storage process has the lease: this one waits']
  const admin = await startAdminServer(config.adminPort, config.host, registry, () => readiness())
  onStop(logger, STOP_MS + STOP_TRACING_MS, async () => {
    stopping.abort()
    await stopWork()
    await leases.close()
    await admin.close()
    await nats.close()
    await tracing.stop()
  })
  const fatal = (reason: string): void => {
    logger.error({ owner }, `${reason}: this process ends`)
    process.exit(1)
  }
  leases.onLost(() => fatal('the lease went to another storage process'))

  // Only one process may have the store open.
  if (!(await waitForLease(leases, LEASE, stopping.signal))) return
  const olap = await createDuckDbOlap({ folder: join(config.data, 'olap'), partitions, logger, kept })
  const reports = createStoreReports(nats, olap)
  let druid: AnsweringStore | null = null
  const archive = startArchiveProcess({ config, nats, partitions, deploymentId, registry, books: olap, logger })
  const feed = createOutputFeed(nats.broker)
  const storage = await startStorage({
    writer: olap,
    feed,
    spans: tracing.isOn ? createStoreSpans(tracing.tracer, 'duckdb') : undefined,
    clock: { now: Date.now, monotonic: () => performance.now() },
    logger,
    metrics: createMetrics(registry),
    onWritten: (positions) => (druid ? druid.look() : reports.publish(positions)),
    onFatal: (error) => fatal(error.message),
    restoring: archive.reader && { archive: archive.reader, restorer: olap, keptMs: kept.rawEvents },
  })
  const received = await startReceivedReader({
    writer: olap,
    feed: createHeaderFeed(nats.broker),
    clock: { now: Date.now },
    logger,
    onFatal: (error) => fatal(error.message),
  })
  measure(registry, storage)
  measureHoles(registry, storage)
  const books = { ...withSettledUntil(olap, received), acknowledgeHoles: storage.acknowledgeHoles }
  const written = storage.positions
  druid = startDruidStore({
    config,
    books,
    newest: feed.newest,
    written,
    partitions,
    registry,
    logger,
    onPositions: reports.publish,
  })
  const server = serveOlap(nats, { olap: druid?.olap ?? books, packed: druid ? undefined : olap, logger })
  const stopReports = reports.start(druid?.positions ?? written)
  stopWork = async () => {
    stopReports()
    await storage.stop()
    await archive.stop()
    await received.stop()
    await server.stop()
    await druid?.stop()
    await olap.close()
  }
  readiness = () => [
    ...connection.problems(),
    ...storage.problems(),
    ...archive.problems(),
    ...(druid?.problems() ?? []),
  ]
  // Ready means that a question that is asked now is answered.
  await nats.nc.flush()
  reportReady({ admin: admin.port })
  logger.info({ owner, admin: admin.port, positions: storage.positions() }, 'storage started')
}

await main(loadConfig(process.argv.slice(2), process.env))
