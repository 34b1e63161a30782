import type { Broker, Bucket, BucketEntry } from './broker.ts'
import { consumeOnce, pause } from './follow.ts'

const RETRY_MS = 500
const decoder = new TextDecoder()

/** The stream that a bucket is made of, and the subjects of its keys. */
export const bucketStream = (bucket: string): string => `KV_${bucket}`
export const bucketSubject = (bucket: string, key: string): string => `$KV.${bucket}.${key}`

/**
 * Calls `onEntry` for every key of a bucket as it is, then for every change; resolves when all that is there now was
 * told. It reads the bucket's stream like any other, with the same watchdog, so it comes through what a connection or a
 * node may do to a consumer.
 */
export const watchBucket = async (
  broker: Broker,
  name: string,
  onEntry: (entry: BucketEntry) => void,
): Promise<{ bucket: Bucket; stop(): void }> => {
  const bucket = await broker.bucket(name)
  const stream = bucketStream(name)
  const stopped = new AbortController()
  const { promise: isReady, resolve: ready } = Promise.withResolvers<void>()
  let told = 0

  const watchOnce = async (): Promise<void> => {
    const { first, last } = await broker.range(stream)
    if (last === 0 || first > last || told >= last) ready()
    const from = async () => ({ start: told + 1 })
    for await (const message of consumeOnce(broker, stream, from, stopped.signal)) {
      told = message.seq
      const isValue = message.header('KV-Operation') === ''
      onEntry({
        key: message.subject.slice(bucketSubject(name, '').length),
        text: isValue ? decoder.decode(message.data) : null,
        revision: message.seq,
        storedAt: message.storedAt,
      })
      if (told >= last) ready()
    }
  }

  const loop = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      await watchOnce().catch(() => undefined)
      await pause(RETRY_MS, stopped.signal)
    }
  }
  void loop()
  await isReady
  return { bucket, stop: () => stopped.abort() }
}
