import { RETENTION } from '#schema/limits.ts'
import { BUCKETS, logStream, logSubject, outputFilters, stateBucket, stateStream } from '#schema/subjects.ts'
import type { StreamSettings } from './stream.ts'

const DUPLICATE_WINDOW_MS = 120_000

const logSettings = (partition: number): StreamSettings => ({
  name: logStream(partition),
  subjects: [logSubject(partition)],
  maxAgeMs: RETENTION.log,
  duplicateWindowMs: DUPLICATE_WINDOW_MS,
  maxPerSubject: -1,
})
const stateSettings = (partition: number): StreamSettings => ({
  name: stateStream(partition),
  subjects: [`$KV.${stateBucket(partition)}.>`, ...Object.values(outputFilters(partition))],
  maxAgeMs: RETENTION.lateEvents,
  duplicateWindowMs: DUPLICATE_WINDOW_MS,
  maxPerSubject: -1,
})
const bucketSettings = (name: string): StreamSettings => ({
  name: `KV_${name}`,
  subjects: [`$KV.${name}.>`],
  maxAgeMs: 0,
  duplicateWindowMs: DUPLICATE_WINDOW_MS,
  maxPerSubject: 1,
})

/** The streams that infra/nats/setup.ts makes. */
export const allStreams = (partitions: number): StreamSettings[] => [
  ...Array.from({ length: partitions }, (_, p) => [logSettings(p), stateSettings(p)]).flat(),
  ...[BUCKETS.metrics, BUCKETS.leases].map(bucketSettings),
]
