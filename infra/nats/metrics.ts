import type { MetricStore } from '#gateway/ports.ts'
import type { MetricRecord } from '#schema/metric.ts'
import { BUCKETS } from '#schema/subjects.ts'
import { type Broker, Refused } from './broker.ts'
import { bucketStream, bucketSubject, watchBucket } from './watch.ts'

interface Stored {
  record: MetricRecord
  revision: number
}

const decoder = new TextDecoder()
const keyOf = (tenant: string, name: string): string => `${tenant}.${name}`

/** Definitions of metrics in KV, with a copy in memory that a watch keeps up to date. */
export const createMetricStore = async (broker: Broker): Promise<MetricStore & { stop(): void }> => {
  const stored = new Map<string, Stored>()
  const listeners = new Set<(tenant: string, record: MetricRecord) => void>()
  const remember = (key: string, record: MetricRecord, revision: number): void => {
    const known = stored.get(key)
    if (known && known.revision >= revision) return
    stored.set(key, { record, revision })
    const tenant = key.slice(0, key.indexOf('.'))
    for (const listener of listeners) listener(tenant, record)
  }
  const { bucket, stop } = await watchBucket(broker, BUCKETS.metrics, (entry) => {
    if (entry.text !== null) remember(entry.key, JSON.parse(entry.text) as MetricRecord, entry.revision)
  })
  const ofTenant = (tenant: string): MetricRecord[] =>
    [...stored].filter(([key]) => key.startsWith(`${tenant}.`)).map(([, { record }]) => record)
  return {
    get: (tenant, name) => stored.get(keyOf(tenant, name))?.record,
    async newest(tenant, name) {
      const key = keyOf(tenant, name)
      const message = await broker.last(bucketStream(BUCKETS.metrics), bucketSubject(BUCKETS.metrics, key))
      if (message) remember(key, JSON.parse(decoder.decode(message.data)) as MetricRecord, message.seq)
      return stored.get(key)?.record
    },
    list: ofTenant,
    all: () => [...stored].map(([key, { record }]) => ({ tenant: key.slice(0, key.indexOf('.')), record })),
    async put(tenant, record, replaces) {
      const key = keyOf(tenant, record.definition.name)
      const known = stored.get(key)
      if (known?.record !== replaces) return false
      try {
        const text = JSON.stringify(record)
        const revision = known ? await bucket.update(key, text, known.revision) : await bucket.create(key, text)
        remember(key, record, revision)
        return true
      } catch (error) {
        if (error instanceof Refused) return false
        throw error
      }
    },
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    stop,
  }
}
