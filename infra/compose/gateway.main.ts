import { randomUUID } from 'node:crypto'
import { collectDefaultMetrics, Registry } from 'prom-client'
import { createAuthenticator } from '#gateway/auth.ts'
import { createCollector } from '#gateway/collect/collector.ts'
import { createCollectMetrics } from '#gateway/collect/metrics.ts'
import { createSchemaCheck } from '#gateway/collect/schema-check.ts'
import { createHttpServer } from '#gateway/http/server.ts'
import { type Config, loadConfig } from '#infra/config.ts'
import { openGeoIp } from '#infra/geoip/geoip.ts'
import { connectNats } from '#infra/nats/connect.ts'
import { createKeyStore } from '#infra/nats/keys.ts'
import { createLogWriter } from '#infra/nats/log.ts'
import { ensureDeployment } from '#infra/nats/setup.ts'
import { BUILTIN_SCHEMAS } from '#schema/builtin-schemas.ts'
import { createLogger, onStop, reportReady } from './child.ts'
import { watchConnection } from './connection.ts'

/** Longer than the frames' deadline: what was taken is confirmed or refused before the process ends. */
const DRAIN_MS = 12_000
const CLOSE_MS = 2_000

const main = async (config: Config): Promise<void> => {
  const logger = createLogger('gateway', config.logLevel)
  const nats = await connectNats(config.natsUrl ?? `nats://127.0.0.1:${config.natsPort}`, 'millrace gateway')
  const { partitions } = await ensureDeployment(nats, { partitions: config.partitions })
  const connection = watchConnection(nats, logger)
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const keys = await createKeyStore(nats)
  const collector = createCollector({
    log: createLogWriter(nats),
    geoip: await openGeoIp(),
    clock: { now: Date.now },
    metrics: createCollectMetrics(registry),
    checkSchema: createSchemaCheck(BUILTIN_SCHEMAS),
    partitions,
    processId: randomUUID(),
    frames: { onFailure: (partition, reason) => logger.warn({ partition, reason }, 'a frame was not confirmed') },
  })
  const server = createHttpServer({
    collector,
    authenticate: createAuthenticator(keys),
    registry,
    readiness: () => {
      const problems = connection.problems()
      return { ready: problems.length === 0, problems }
    },
    onError: (error, where) => logger.error({ err: error, where }, 'a request failed unexpectedly'),
  })
  const port = await server.listen(config.port, config.host)
  reportReady({ http: port })
  logger.info({ port }, 'gateway started')
  onStop(logger, DRAIN_MS + CLOSE_MS + 1_000, async () => {
    const closed = server.close(DRAIN_MS + CLOSE_MS)
    const drained = await collector.drain(DRAIN_MS)
    if (!drained) logger.warn('frames were still waiting for the log; their senders were not answered')
    await closed
    keys.stop()
    await nats.close()
  })
}

await main(loadConfig(process.argv.slice(2), process.env))
