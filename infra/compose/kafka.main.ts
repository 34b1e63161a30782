import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { collectDefaultMetrics, Registry } from 'prom-client'
import { type Config, loadConfig } from '#infra/config.ts'
import { parseAddresses } from '#infra/kafka/addresses.ts'
import { startKafka } from '#infra/kafka/kafka.ts'
import { openUsers } from '#infra/kafka/users.ts'
import { connectNats } from '#infra/nats/connect.ts'
import { ensureDeployment } from '#infra/nats/setup.ts'
import { STOP_TRACING_MS, startTracing } from '#infra/otel/tracing.ts'
import { startAdminServer } from './admin-server.ts'
import { createLogger, onStop, reportReady, tellOperator } from './child.ts'
import { watchConnection } from './connection.ts'
import { reachableHost } from './welcome.ts'

const STOP_MS = 10_000

const isLoopback = (host: string): boolean => host === 'localhost' || host === '::1' || host.startsWith('127.')

const openTls = async ({ kafkaTlsCert, kafkaTlsKey }: Config) => {
  if (kafkaTlsCert === undefined && kafkaTlsKey === undefined) return undefined
  if (kafkaTlsCert === undefined || kafkaTlsKey === undefined) {
    throw new Error('--kafka-tls-cert and --kafka-tls-key belong together')
  }
  const [cert, key] = await Promise.all([kafkaTlsCert, kafkaTlsKey].map((file) => readFile(file)))
  return { cert, key }
}

const main = async (config: Config): Promise<void> => {
  const logger = createLogger('kafka', config.logLevel)
  const { kafkaUsers, kafkaAdvertise, host } = config
  const tls = await openTls(config)
  const onProblem = (problem: string) => logger.error({ problem }, 'users stay as they were')
  const users = kafkaUsers === undefined ? null : await openUsers(kafkaUsers, onProblem)
  if (!users && !isLoopback(host))
    tellOperator('everybody who reaches its port may read all events: give --kafka-users')
  if (!kafkaAdvertise && ['0.0.0.0', '::'].includes(host)) {
    logger.warn('clients on other machines need an address to connect to: give --kafka-advertise')
  }
  if (users && !tls) logger.warn('passwords of Kafka users cross the network as they are: give a certificate')
  const url = config.natsUrl ?? `nats://127.0.0.1:${config.natsPort}`
  const nats = await connectNats(url, 'millrace kafka')
  const catchUp = await connectNats(url, 'millrace kafka, catching up')
  const deployment = await ensureDeployment(nats, { partitions: config.partitions })
  const connections = [nats, catchUp]
  const watched = connections.map((connection) => watchConnection(connection, logger))
  const owner = `${hostname()}-${process.pid}-${randomUUID().slice(0, 8)}`
  const { otlpEndpoint: endpoint, traceRatio: ratio } = config
  const tracing = await startTracing({ endpoint, ratio, service: 'millrace-kafka', instance: owner, logger })
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const kafka = await startKafka({
    broker: nats.broker,
    catchUpBroker: catchUp.broker,
    partitions: deployment.partitions,
    deployment: deployment.id,
    host,
    port: config.kafkaPort ?? 0,
    tls,
    users,
    advertised: kafkaAdvertise === undefined ? null : parseAddresses(kafkaAdvertise),
    node: config.kafkaNode,
    reachableHost: reachableHost(host),
    registry,
    tracer: tracing.tracer,
    logger,
  })
  const problems = (): string[] => [
    ...new Set(watched.flatMap((connection) => connection.problems())),
    ...kafka.problems(),
  ]
  const admin = await startAdminServer(config.adminPort, host, registry, problems)
  onStop(logger, STOP_MS + STOP_TRACING_MS, async () => {
    await kafka.close()
    await admin.close()
    await Promise.all(connections.map((connection) => connection.close()))
    await tracing.stop()
  })
  reportReady({ kafka: kafka.port, admin: admin.port })
  logger.info({ port: kafka.port, admin: admin.port }, 'kafka started')
}

await main(loadConfig(process.argv.slice(2), process.env))
