import { createHash } from 'node:crypto'
import type { Tracer } from '@opentelemetry/api'
import type { Registry } from 'prom-client'
import type { Broker } from '#infra/nats/broker.ts'
import { createByteBudget } from './byte-budget.ts'
import { createCatalog } from './catalog.ts'
import { KAFKA_LIMITS } from './limits.ts'
import type { BrokerAddress } from './metadata.ts'
import { createKafkaMetrics, type KafkaGauges, registerKafkaGauges } from './metrics.ts'
import { type PartitionFeed, startPartitionFeed } from './partition-feed.ts'
import { createRecordCache } from './record-cache.ts'
import { type KafkaServer, startKafkaServer, type TlsFiles } from './server.ts'
import { createKafkaService } from './service.ts'
import type { Asker } from './settled-reader.ts'
import { TOPICS } from './topics.ts'
import type { Users } from './users.ts'

export interface KafkaOptions {
  broker: Broker
  /**
   * For consumers that catch up: on a connection of its own what they read waits in nobody's way. Default: the same.
   */
  catchUpBroker?: Broker
  /** Of the deployment. */
  partitions: number
  deployment: string
  host: string
  /** 0: any free one. */
  port: number
  tls?: TlsFiles
  /** Null: everybody may read all. */
  users: Users | null
  /** Of all servers as clients reach them; null: this one alone. */
  advertised: readonly BrokerAddress[] | null
  /** Which of them is this one. */
  node: number
  /** Host of this one where it is alone. */
  reachableHost: string
  registry: Registry
  tracer: Tracer
  logger: {
    info(fields: object, message: string): void
    warn(fields: object, message: string): void
    error(fields: object, message: string): void
  }
}

export interface Kafka {
  port: number
  /** Why it cannot serve now, in words. */
  problems(): string[]
  close(): Promise<void>
}

/** Another one when any stream is: offsets of before mean nothing then. */
const clusterOf = (deployment: string, feeds: readonly PartitionFeed[]): string => {
  const identity = feeds.map((feed) => feed.identity()).join('\n')
  return `millrace-${createHash('sha256').update(`${deployment}\n${identity}`).digest('base64url').slice(0, 16)}`
}

const gaugesOf = (
  feeds: readonly PartitionFeed[],
  server: KafkaServer,
  memory: Pick<KafkaGauges, 'bytesInFlight' | 'cacheBytes'>,
): KafkaGauges => ({
  ...memory,
  connections: () => server.sessions().length,
  ends: () =>
    TOPICS.flatMap(({ name: topic }) => feeds.map((feed, partition) => ({ topic, partition, end: feed.end(topic) }))),
  lags() {
    const worst = new Map<string, { topic: string; partition: number; lag: number }>()
    for (const { places } of server.sessions()) {
      for (const [key, { topic, partition, offset }] of places) {
        const lag = Math.max(0, feeds[partition].end(topic) - offset, worst.get(key)?.lag ?? 0)
        worst.set(key, { topic, partition, lag })
      }
    }
    return [...worst.values()]
  },
})

/** Serves the topics of a deployment: resolves when every partition can be read and clients can connect. */
export const startKafka = async (options: KafkaOptions): Promise<Kafka> => {
  const { broker, catchUpBroker = broker, host, tls, users, advertised, node, registry, tracer, logger } = options
  if (advertised && !advertised.some(({ id }) => id === node)) {
    throw new Error(`the advertised addresses do not name this server: no ${node}=host:port among them`)
  }
  const limits = KAFKA_LIMITS
  const cache = createRecordCache(limits.cacheBytes)
  const askerOn = (on: Broker): Asker => ({ broker: on, asked: createByteBudget(limits.bytesAsked) })
  const [tail, catchUp] = [broker, catchUpBroker].map(askerOn)
  const feeds = Array.from({ length: options.partitions }, (_, partition) =>
    startPartitionFeed({ tail, catchUp, partition, topics: TOPICS, cache, logger }),
  )
  await Promise.all(feeds.map(({ opened }) => opened))

  const budget = createByteBudget(limits.bytesInFlight)
  const metrics = createKafkaMetrics(registry)
  const names = TOPICS.map(({ name }) => name)
  let { port } = options
  const service = createKafkaService({
    catalog: createCatalog(names, feeds, logger),
    addresses: () => advertised ?? [{ id: node, host: options.reachableHost, port }],
    node,
    clusterId: clusterOf(options.deployment, feeds),
    users,
    budget,
    metrics,
    limits,
    tracer,
  })
  const hasUsers = users !== null
  const server = await startKafkaServer({ host, port, tls, service, budget, metrics, logger, limits, hasUsers })
  port = server.port
  registerKafkaGauges(registry, gaugesOf(feeds, server, { bytesInFlight: budget.taken, cacheBytes: cache.bytes }))
  return {
    port,
    problems: () => feeds.flatMap((feed) => feed.problems()),
    async close() {
      await server.close()
      await Promise.all(feeds.map((feed) => feed.stop()))
    },
  }
}
