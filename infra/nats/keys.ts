import type { KeyStore } from '#gateway/ports.ts'
import type { KeyRecord } from '#schema/keys.ts'
import { BUCKETS } from '#schema/subjects.ts'
import type { Broker } from './broker.ts'
import { watchBucket } from './watch.ts'

export const createKeyStore = async (broker: Broker): Promise<KeyStore & { stop(): void }> => {
  const keys = new Map<string, KeyRecord>()
  const { stop } = await watchBucket(broker, BUCKETS.keys, (entry) => {
    if (entry.text !== null) keys.set(entry.key, JSON.parse(entry.text) as KeyRecord)
    else keys.delete(entry.key)
  })
  return { find: (secretHash) => keys.get(secretHash), stop }
}

/** Stores what a secret may do, under its SHA-256 (hex). */
export const putKey = async (broker: Broker, secretHash: string, record: KeyRecord): Promise<void> => {
  const bucket = await broker.bucket(BUCKETS.keys)
  await bucket.put(secretHash, JSON.stringify(record))
}
