import type { KeyStore } from '#gateway/ports.ts'
import type { KeyRecord } from '#schema/keys.ts'
import { BUCKETS } from '#schema/subjects.ts'
import type { Nats } from './connect.ts'
import { watchBucket } from './watch.ts'

export const createKeyStore = async (nats: Nats): Promise<KeyStore & { stop(): void }> => {
  const keys = new Map<string, KeyRecord>()
  const { stop } = await watchBucket(nats, BUCKETS.keys, (entry) => {
    if (entry.operation === 'PUT') keys.set(entry.key, entry.json<KeyRecord>())
    else keys.delete(entry.key)
  })
  return { find: (secretHash) => keys.get(secretHash), stop }
}

/** Stores what a secret may do, under its SHA-256 (hex). */
export const putKey = async (nats: Nats, secretHash: string, record: KeyRecord): Promise<void> => {
  const kv = await nats.kvm.open(BUCKETS.keys)
  await kv.put(secretHash, JSON.stringify(record))
}
