import type { KV, KvWatchEntry } from '@nats-io/kv'
import type { Nats } from './connect.ts'
import { pause } from './follow.ts'

/** A watch is opened anew this often: a consumer may stay silent after its node died. */
const REWATCH_MS = 60_000

/**
 * Calls `onEntry` for every key of a bucket as it is, then for every change; resolves when all that is there now was
 * told. Repeats itself (a new watch tells all keys again), so `onEntry` must be idempotent.
 */
export const watchBucket = async (
  nats: Nats,
  bucket: string,
  onEntry: (entry: KvWatchEntry) => void,
): Promise<{ kv: KV; stop(): void }> => {
  const kv = await nats.kvm.open(bucket)
  const stopped = new AbortController()
  let ready!: () => void
  const isReady = new Promise<void>((resolve) => {
    ready = resolve
  })

  const watchOnce = async (): Promise<void> => {
    if ((await kv.status()).values === 0) ready()
    const entries = await kv.watch()
    const end = (): void => entries.stop()
    const timer = setTimeout(end, REWATCH_MS)
    stopped.signal.addEventListener('abort', end)
    try {
      for await (const entry of entries) {
        onEntry(entry)
        if ((entry.delta ?? 0) === 0) ready()
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
  return { kv, stop: () => stopped.abort() }
}
