import { randomBytes, randomUUID } from 'node:crypto'
import { DiscardPolicy, JetStreamApiError, RetentionPolicy, StorageType, type StreamConfig } from '@nats-io/jetstream'
import type { Deployment } from '#schema/keys.ts'
import { type Kept, RETENTION } from '#schema/limits.ts'
import { BUCKETS, logStream, logSubject, outputFilters, stateBucket, stateStream } from '#schema/subjects.ts'
import type { Nats } from './connect.ts'

const NANOS = 1_000_000
const DEPLOYMENT_FORMAT = 1
/** Within this time the log keeps one of the frames that carry the same message id. */
const DUPLICATE_WINDOW_MS = 120_000

const logConfig = (partition: number, replicas: number, kept: Kept): Partial<StreamConfig> & { name: string } => ({
  name: logStream(partition),
  subjects: [logSubject(partition)],
  retention: RetentionPolicy.Limits,
  storage: StorageType.File,
  discard: DiscardPolicy.Old,
  max_age: kept.log * NANOS,
  duplicate_window: DUPLICATE_WINDOW_MS * NANOS,
  num_replicas: replicas,
  allow_direct: true,
})

/** State and outputs of a partition in one stream, so that one atomic batch holds both. The KV client cannot make it. */
const stateConfig = (partition: number, replicas: number, kept: Kept): Partial<StreamConfig> & { name: string } => ({
  name: stateStream(partition),
  subjects: [`$KV.${stateBucket(partition)}.>`, ...Object.values(outputFilters(partition))],
  retention: RetentionPolicy.Limits,
  storage: StorageType.File,
  discard: DiscardPolicy.New,
  // The longest of the outputs' lives. State says "never" message by message, shorter lives say their own.
  max_age: Math.max(kept.lateEvents, kept.settlements, kept.aggregates) * NANOS,
  duplicate_window: DUPLICATE_WINDOW_MS * NANOS,
  max_msgs_per_subject: -1,
  num_replicas: replicas,
  allow_direct: true,
  allow_rollup_hdrs: true,
  allow_msg_ttl: true,
  allow_atomic: true,
  deny_delete: false,
  deny_purge: false,
})

const STREAM_NOT_FOUND = 10059

/** `isTold`: a stream that is there is kept for so long from now on. */
const ensureStream = async (
  nats: Nats,
  config: Partial<StreamConfig> & { name: string },
  isTold: boolean,
): Promise<void> => {
  try {
    const known = await nats.jsm.streams.info(config.name)
    const { max_age } = config
    if (isTold && known.config.max_age !== max_age) await nats.jsm.streams.update(config.name, { max_age })
  } catch (error) {
    if (!(error instanceof JetStreamApiError) || error.code !== STREAM_NOT_FOUND) throw error
    await nats.jsm.streams.add(config)
  }
}

/**
 * Makes what is missing: deployment record, buckets, streams. Any number of processes may call it at once.
 * Another number of partitions than the deployment's is refused: keys would land elsewhere. Of those that may say how long
 * streams are kept (gateways) the last one to start decides.
 */
export const ensureDeployment = async (
  nats: Nats,
  { partitions, replicas = 1, kept }: { partitions: number; replicas?: number; kept?: Kept },
): Promise<Deployment> => {
  const bucket = await nats.kvm.create(BUCKETS.deployment, { replicas, history: 1 })
  const fresh: Deployment = {
    format: DEPLOYMENT_FORMAT,
    id: randomUUID(),
    partitions,
    hashSeed: [...new Uint32Array(new Uint8Array(randomBytes(16)).buffer)],
    createdAt: Date.now(),
  }
  // Create fails when somebody was faster; then theirs holds.
  await bucket.create('settings', JSON.stringify(fresh)).catch(() => undefined)
  const deployment = (await bucket.get('settings'))?.json<Deployment>()
  if (!deployment) throw new Error('the deployment record cannot be read back')
  if (deployment.format > DEPLOYMENT_FORMAT) {
    throw new Error(`this data was written by a newer Millrace (format ${deployment.format}): start that version`)
  }
  if (deployment.partitions !== partitions) {
    throw new Error(
      `this deployment has ${deployment.partitions} partitions, ${partitions} were asked for. The number is fixed: ` +
        `start with --partitions ${deployment.partitions}, or replay the log into a new deployment.`,
    )
  }
  for (const name of [BUCKETS.keys, BUCKETS.metrics, BUCKETS.leases, BUCKETS.archive, BUCKETS.shedding]) {
    await nats.kvm.create(name, { replicas, history: 1 })
  }
  for (let partition = 0; partition < partitions; partition++) {
    await ensureStream(nats, logConfig(partition, replicas, kept ?? RETENTION), kept !== undefined)
    await ensureStream(nats, stateConfig(partition, replicas, kept ?? RETENTION), kept !== undefined)
  }
  return deployment
}

/** The deployment's record, of a Millrace that has been started. Rejects where there is none. */
export const readDeployment = async (nats: Nats): Promise<Deployment> => {
  const bucket = await nats.kvm.open(BUCKETS.deployment)
  const deployment = (await bucket.get('settings'))?.json<Deployment>()
  if (!deployment) throw new Error('this nats-server holds no deployment: start Millrace first')
  return deployment
}
