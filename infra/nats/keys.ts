import type { KeyBook } from '#gateway/ports.ts'
import type { KeyRecord } from '#schema/keys.ts'
import { BUCKETS } from '#schema/subjects.ts'
import type { Broker } from './broker.ts'
import { watchBucket } from './watch.ts'

/** Keys as the bucket has them, kept up to date by a watch. */
export const createKeyStore = async (broker: Broker): Promise<KeyBook & { stop(): void }> => {
  const keys = new Map<string, KeyRecord>()
  const hashes = new Map<string, string>()
  const { bucket, stop } = await watchBucket(broker, BUCKETS.keys, ({ key, text }) => {
    const known = keys.get(key)
    if (known) hashes.delete(known.id)
    if (text === null) keys.delete(key)
    else {
      const record = JSON.parse(text) as KeyRecord
      keys.set(key, record)
      hashes.set(record.id, key)
    }
  })
  return {
    find: (secretHash) => keys.get(secretHash),
    byId(id) {
      const secretHash = hashes.get(id)
      const record = secretHash === undefined ? undefined : keys.get(secretHash)
      return secretHash !== undefined && record ? { secretHash, record } : undefined
    },
    put: async (secretHash, record) => {
      await bucket.put(secretHash, JSON.stringify(record))
    },
    remove: (secretHash) => bucket.delete(secretHash),
    stop,
  }
}

/** Stores what a secret may do, under its SHA-256 (hex). */
export const putKey = async (broker: Broker, secretHash: string, record: KeyRecord): Promise<void> => {
  const bucket = await broker.bucket(BUCKETS.keys)
  await bucket.put(secretHash, JSON.stringify(record))
}
