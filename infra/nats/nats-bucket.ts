import { JetStreamApiError } from '@nats-io/jetstream'
import type { KvEntry, Kvm } from '@nats-io/kv'
import { type Bucket, Refused } from './broker.ts'

const toEntry = (entry: KvEntry) => ({
  key: entry.key,
  text: entry.operation === 'PUT' ? entry.string() : null,
  revision: entry.revision,
  storedAt: entry.created.getTime(),
})

const written = async (write: Promise<number>): Promise<number> => {
  try {
    return await write
  } catch (error) {
    if (error instanceof JetStreamApiError) throw new Refused(error.code, error.message)
    throw error
  }
}

/** Bucket on a real connection. */
export const openBucket = async (kvm: Kvm, name: string): Promise<Bucket> => {
  const kv = await kvm.open(name)
  return {
    async get(key) {
      const entry = await kv.get(key)
      return entry && toEntry(entry)
    },
    put: (key, text, timeout) => written(kv.put(key, text, { timeout })),
    create: (key, text) => written(kv.create(key, text)),
    update: (key, text, revision, timeout) => written(kv.update(key, text, revision, timeout)),
    delete: (key) => kv.delete(key),
  }
}
