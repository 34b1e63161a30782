import type { Broker, Bucket, BucketEntry } from './broker.ts'
import { pause } from './follow.ts'

/** A watch is opened anew this often: a consumer may stay silent after its node died. */
const REWATCH_MS = 60_000

/**
 * Calls `onEntry` for every key of a bucket as it is, then for every change; resolves when all that is there now was
 * told. Repeats itself (a new watch tells all keys again), so `onEntry` must be idempotent.
 */
export const watchBucket = async (
  broker: Broker,
  name: string,
  onEntry: (entry: BucketEntry) => void,
): Promise<{ bucket: Bucket; stop(): void }> => {
  const bucket = await broker.bucket(name)
  const stopped = new AbortController()
  let ready!: () => void
  const isReady = new Promise<void>((resolve) => {
    ready = resolve
  })

  const watchOnce = async (): Promise<void> => {
    if (await bucket.isEmpty()) ready()
    const entries = await bucket.watch()
    const end = (): void => entries.stop()
    const timer = setTimeout(end, REWATCH_MS)
    stopped.signal.addEventListener('abort', end)
    try {
      for await (const entry of entries) {
        onEntry(entry)
        if (entry.left === 0) ready()
      }
    } finally {
      clearTimeout(timer)
      stopped.signal.removeEventListener('abort', end)
    }
  }

  const loop = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      await watchOnce().catch(() => pause(500, stopped.signal))
    }
  }
  void loop()
  await isReady
  return { bucket, stop: () => stopped.abort() }
}
