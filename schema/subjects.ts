/** Names of streams, subjects and KV buckets. Tenants and metrics are [a-z][a-z0-9_]{0,63}: safe as subject tokens. */
export const NAME_PATTERN = /^[a-z][a-z0-9_]{0,63}$/
export const isName = (text: unknown): text is string => typeof text === 'string' && NAME_PATTERN.test(text)

/** The log of one partition: one stream each, so that its sequences have no holes. */
export const logStream = (partition: number): string => `user_events_${partition}`
export const logSubject = (partition: number): string => `user_events.${partition}`

/** The checkpoints of one partition: KV state and outputs in one stream, so that one atomic batch holds both. */
export const stateBucket = (partition: number): string => `window_state_${partition}`
export const stateStream = (partition: number): string => `KV_${stateBucket(partition)}`
export const stateKey = (partition: number, key: string): string => `$KV.${stateBucket(partition)}.${key}`
export const HEAD_KEY = 'head'
export const segmentKey = (level: number | '*', id: string, chunk: number | '*'): string =>
  `segment.${level}.${id}.${chunk}`

export const aggregatesSubject = (tenant: string, metric: string, partition: number): string =>
  `aggregates.${tenant}.${metric}.${partition}`
export const lateSubject = (tenant: string, partition: number): string => `late_events.${tenant}.${partition}`
export const settledSubject = (partition: number): string => `settled.${partition}`
/** What a checkpoint publishes beside its state, as filters of the partition's state stream. */
export const outputFilters = (partition: number) => ({
  aggregates: `aggregates.*.*.${partition}`,
  late: `late_events.*.${partition}`,
  settled: settledSubject(partition),
})

/** KV buckets of the control plane. */
export const BUCKETS = {
  /** Key `settings`: Deployment. */
  deployment: 'deployment',
  /** Key: SHA-256 (hex) of a secret: KeyRecord. */
  keys: 'keys',
  /** Key `<tenant>.<metric>`: MetricRecord. */
  metrics: 'metrics',
  /** Keys `partition-<p>`, `storage`, `member-<owner>`: leases and heartbeats. */
  leases: 'leases',
  /** Key `partition-<p>`: ArchivePosition. */
  archive: 'archive',
  /** Key `partition-<p>`: PartitionShedding. */
  shedding: 'shedding',
} as const

/** Core NATS subjects of reports (nothing durable hangs on them). */
export const processorReport = (partition: number): string => `millrace.report.processor.${partition}`
export const PROCESSOR_REPORTS = 'millrace.report.processor.*'
export const PARTITION_REFUSED = 'millrace.report.refused'
export const STORAGE_REPORT = 'millrace.report.storage'
export const USAGE_REPORT = 'millrace.report.usage'
/** Request/reply: questions to the OLAP writer. */
export const OLAP_SUBJECT = 'millrace.olap'

/** Headers of a message in the log or in the outputs. */
export const HEADERS = {
  format: 'Millrace-Format',
  kind: 'Millrace-Kind',
  counts: 'Millrace-Counts',
  received: 'Millrace-Received',
  refused: 'Millrace-Refused',
  checkpoint: 'Millrace-Checkpoint',
  traceparent: 'traceparent',
  tracestate: 'tracestate',
} as const
