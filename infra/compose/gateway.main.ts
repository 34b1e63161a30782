import { randomUUID } from 'node:crypto'
import type { Logger } from 'pino'
import { collectDefaultMetrics, Registry } from 'prom-client'
import { createAuthenticator } from '#gateway/auth.ts'
import { createAdmission } from '#gateway/collect/admission.ts'
import { createCollector } from '#gateway/collect/collector.ts'
import { createAdmissionMetrics, createCollectMetrics } from '#gateway/collect/metrics.ts'
import { createPriorities } from '#gateway/collect/priority.ts'
import { createSchemaCheck } from '#gateway/collect/schema-check.ts'
import { createPage } from '#gateway/dashboard/page.ts'
import { createGraphqlHandler } from '#gateway/graphql/handler.ts'
import { createGrpcServer } from '#gateway/grpc/server.ts'
import { createHttpServer } from '#gateway/http/server.ts'
import { createIntake } from '#gateway/indicators/intake.ts'
import { createKeyAdmin } from '#gateway/keys/key-admin.ts'
import { createSharedRateLimiter } from '#gateway/limits/shared-rate-limiter.ts'
import { createLiveView } from '#gateway/live/live-view.ts'
import { createMetricReader } from '#gateway/live/metric-reader.ts'
import { createPushSpans } from '#gateway/live/push-spans.ts'
import { createMetricAdmin } from '#gateway/metrics/metric-admin.ts'
import type { LogWriter, Reports } from '#gateway/ports.ts'
import { createEventStatus } from '#gateway/status/event-status.ts'
import { type Config, loadConfig } from '#infra/config.ts'
import { openGeoIp } from '#infra/geoip/geoip.ts'
import { connectNats, type Nats } from '#infra/nats/connect.ts'
import { type Durability, watchDurability } from '#infra/nats/durability.ts'
import { createEventTail } from '#infra/nats/event-tail.ts'
import { createKeyStore } from '#infra/nats/keys.ts'
import { createLogWriter } from '#infra/nats/log.ts'
import { createMetricStore } from '#infra/nats/metrics.ts'
import { createOlapClient } from '#infra/nats/olap-client.ts'
import { createCheckpointFeed } from '#infra/nats/outputs.ts'
import { createReports } from '#infra/nats/reports.ts'
import { ensureDeployment } from '#infra/nats/setup.ts'
import { createUsageExchange } from '#infra/nats/usage.ts'
import { STOP_TRACING_MS, startTracing, type Tracing } from '#infra/otel/tracing.ts'
import { keptBy } from '#infra/retention.ts'
import { BUILTIN_SCHEMAS } from '#schema/builtin-schemas.ts'
import type { Deployment } from '#schema/keys.ts'
import { DEFAULT_LATENESS_HORIZON_MS, DEFAULT_OUT_OF_ORDERNESS_MS, type Kept } from '#schema/limits.ts'
import { createLogger, onStop, reportReady } from './child.ts'
import { watchConnection } from './connection.ts'
import { composeIndicators } from './indicators.ts'
import { composeShedding } from './shedding.ts'

/** Longer than the frames' deadline: what was taken is confirmed or refused before the process ends. */
const DRAIN_MS = 12_000
const CLOSE_MS = 2_000
/** Between two looks for definitions of metrics that nobody has completed. */
const COMPLETE_MS = 5_000

/** The tenant of a first start. */
const FIRST_TENANT = 'main'
const TENANT_SETTINGS = {
  latenessHorizonMs: DEFAULT_LATENESS_HORIZON_MS,
  outOfOrdernessMs: DEFAULT_OUT_OF_ORDERNESS_MS,
}

/** The reading side: live view, metrics, GraphQL. */
const composeReading = async (
  nats: Nats,
  deployment: Deployment,
  kept: Kept,
  log: LogWriter,
  reports: Reports,
  logger: Logger,
  { isOn, tracer }: Tracing,
) => {
  const { partitions } = deployment
  const clock = { now: Date.now }
  const metrics = await createMetricStore(nats.broker)
  const admin = createMetricAdmin({ metrics, log, partitions })
  await admin.completeUnfinished()
  await admin.ensureBuiltinMetrics(FIRST_TENANT)
  const stopCompleting = admin.keepComplete(COMPLETE_MS, (error) =>
    logger.warn({ error: String(error) }, 'a metric is not in every partition of the log yet; trying again'),
  )
  const olap = createOlapClient(nats)
  const pushSpans = isOn ? createPushSpans(tracer, clock) : undefined
  const eventStatus = createEventStatus({ olap, tail: createEventTail(nats.broker), clock, keptMs: kept.rawEvents })
  const horizonMs = (): number => TENANT_SETTINGS.latenessHorizonMs
  const view = createLiveView({
    feed: createCheckpointFeed(nats.broker),
    metrics,
    partitions,
    clock,
    horizonMs,
    reports,
    log: logger,
    pushSpans,
  })
  const reader = createMetricReader({
    view,
    metrics,
    olap,
    clock,
    deploymentId: deployment.id,
    horizonMs,
    pushSpans,
  })
  return {
    services: {
      view,
      reader,
      metrics,
      admin,
      olap,
      eventStatus,
      reports,
      clock,
      partitions,
      tenantSettings: () => TENANT_SETTINGS,
      kept,
    },
    async close(): Promise<void> {
      stopCompleting()
      await view.close()
      metrics.stop()
    },
  }
}

const tellDurability =
  (logger: Logger) =>
  ({ level, reason }: Durability): void => {
    if (level === 'FSYNCED') logger.info({ durability: level }, 'every acknowledged event is on disk')
    else logger.warn({ durability: level, reason }, 'durability is unverified: a power failure may cost events')
  }

const main = async (config: Config): Promise<void> => {
  const logger = createLogger('gateway', config.logLevel)
  const processId = randomUUID()
  const { otlpEndpoint: endpoint, traceRatio: ratio } = config
  const tracing = await startTracing({ endpoint, ratio, service: 'millrace-gateway', instance: processId, logger })
  const { tracer } = tracing
  const nats = await connectNats(config.natsUrl ?? `nats://127.0.0.1:${config.natsPort}`, 'millrace gateway')
  const kept = keptBy(config)
  const deployment = await ensureDeployment(nats, { partitions: config.partitions, kept })
  const connection = watchConnection(nats, logger)
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const keys = await createKeyStore(nats.broker)
  const authenticate = createAuthenticator(keys)
  const log = createLogWriter(nats.broker)
  const { partitions } = deployment
  const intake = createIntake(() => performance.now())
  const reports = createReports(nats.broker)
  const priorityOf = createPriorities({ schemas: BUILTIN_SCHEMAS, high: config.highEvents, low: config.lowEvents })
  const shedding = await composeShedding({ nats, deployment, reports, priorityOf, registry })
  const rates = createSharedRateLimiter({
    defaults: { eventsPerSecond: config.keyEventsPerSecond, bytesPerSecond: config.keyBytesPerSecond },
    gateway: processId,
    monotonic: () => performance.now(),
    exchange: createUsageExchange(nats.broker),
  })
  const admission = createAdmission({ limitBytes: config.inFlightBytes })
  const bodiesRefused = createAdmissionMetrics(registry, admission.usedBytes)
  const collector = createCollector({
    log,
    rates,
    geoip: await openGeoIp(),
    clock: { now: Date.now },
    metrics: createCollectMetrics(registry),
    checkSchema: createSchemaCheck(BUILTIN_SCHEMAS),
    shedding,
    intake,
    partitions,
    processId,
    tracer,
    frames: {
      admission,
      onFailure: (partition, reason) => logger.warn({ partition, reason }, 'a frame was not confirmed'),
    },
  })
  const reading = await composeReading(nats, deployment, kept, log, reports, logger, tracing)
  const { indicators, stop: stopMarkers } = composeIndicators({
    ...reading.services,
    nats,
    log,
    intake,
    registry,
    gateway: processId,
    markerMs: config.markerMs,
  })
  const durability = await watchDurability(nats.nc, config.natsMonitorUrl, tellDurability(logger))
  const graphql = createGraphqlHandler({
    services: {
      ...reading.services,
      indicators,
      collector,
      shed: shedding.shed,
      rates,
      keys: createKeyAdmin({ keys, clock: { now: Date.now } }),
      durability: () => durability.now().level,
    },
    authenticate,
    log: logger,
    tracer,
  })
  const onRefused = () => {
    bodiesRefused.inc()
    // How many events it held nobody knows.
    intake.note(0, ['OVERLOADED'])
  }
  const server = createHttpServer({
    admission: { ...admission, onRefused },
    collector,
    rates,
    authenticate,
    registry,
    tracer,
    graphql: graphql.handleGraphql,
    upgrade: graphql.handleUpgrade,
    page: await createPage(),
    readiness: () => {
      const problems = connection.problems()
      if (!reading.services.view.isReady()) problems.push('the recent windows are still being loaded')
      return { ready: problems.length === 0, problems }
    },
    onError: (error, where) => logger.error({ err: error, where }, 'a request failed unexpectedly'),
  })
  const grpc = createGrpcServer({
    admission,
    collector,
    rates,
    authenticate,
    onError: (error, where) => logger.error({ err: error, where }, 'a call failed unexpectedly'),
  })
  const { host, sharePort: shared } = config
  const port = await server.listen({ port: config.port, host, shared })
  const grpcPort = await grpc.listen({ port: config.grpcPort, host, shared })
  const adminPort = await server.listenAlso({ port: config.adminPort, host })
  reportReady({ http: port, grpc: grpcPort, admin: adminPort })
  logger.info({ port, grpcPort, adminPort, durability: durability.now().level }, 'gateway started')
  onStop(logger, DRAIN_MS + CLOSE_MS + STOP_TRACING_MS + 1_000, async () => {
    stopMarkers()
    rates.stop()
    await graphql.close()
    const closed = Promise.all([server.close(DRAIN_MS + CLOSE_MS), grpc.close(DRAIN_MS + CLOSE_MS)])
    const drained = await collector.drain(DRAIN_MS)
    if (!drained) logger.warn('frames were still waiting for the log; their senders were not answered')
    await closed
    // Refusals whose receipts were under way when the frames were drained.
    await collector.drain(CLOSE_MS)
    await reading.close()
    shedding.stop()
    reports.stop()
    keys.stop()
    await nats.close()
    await tracing.stop()
  })
}

await main(loadConfig(process.argv.slice(2), process.env))
