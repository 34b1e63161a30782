import type { Leases } from '#processors/ports.ts'
import { BUCKETS } from '#schema/subjects.ts'
import type { Broker, Bucket, BucketEntry } from './broker.ts'
import { watchBucket } from './watch.ts'

interface LeaseValue {
  owner: string
  released?: boolean
}

/** A revision of a lease and when this process first saw it, by its own monotonic clock. */
interface Seen {
  value: LeaseValue | null
  revision: number
  at: number
}

const readValue = (text: string | null): LeaseValue | null => (text === null ? null : (JSON.parse(text) as LeaseValue))

/**
 * Leases in a KV bucket. A holder writes its key again and again (compare-and-set); who sees a revision stand still for
 * `leaseMs` takes over by compare-and-set on it. No clock is compared between machines. A holder that was stopped finds
 * another revision when it goes on, and what it writes meanwhile is fenced by the epoch in the partition's head.
 */
export const createLeases = async (
  broker: Broker,
  { owner, kind, leaseMs }: { owner: string; kind: string; leaseMs: number },
): Promise<Leases> => {
  const seen = new Map<string, Seen>()
  const held = new Map<string, number>()
  const lostListeners = new Set<(name: string) => void>()
  const memberPrefix = `member.${kind}.`
  // Also how long a beat waits for its answer: one that got lost must not cost the lease.
  const beatMs = leaseMs / 3

  const note = (key: string, value: LeaseValue | null, revision: number): void => {
    const known = seen.get(key)
    if (known && known.revision >= revision) return
    seen.set(key, { value, revision, at: performance.now() })
  }
  const onEntry = ({ key, text, revision }: BucketEntry): void => note(key, readValue(text), revision)
  const { bucket, stop } = await watchBucket(broker, BUCKETS.leases, onEntry)

  const alive = (state: Seen | undefined): boolean =>
    state?.value != null && !state.value.released && performance.now() - state.at < leaseMs

  const write = async (key: string, value: LeaseValue, revision: number): Promise<number> => {
    const text = JSON.stringify(value)
    const next = revision === 0 ? await bucket.create(key, text) : await bucket.update(key, text, revision, beatMs)
    note(key, value, next)
    return next
  }

  const lose = (name: string): void => {
    held.delete(name)
    for (const listener of lostListeners) listener(name)
  }

  const renew = async (name: string, revision: number): Promise<void> => {
    try {
      const next = await write(name, { owner }, revision)
      if (held.has(name)) held.set(name, next)
    } catch {
      // Refused, or no answer: the key itself tells which.
      const entry = await bucket.get(name).catch(() => undefined)
      if (entry === undefined || !held.has(name)) return
      if (entry && readValue(entry.text)?.owner === owner) held.set(name, entry.revision)
      else lose(name)
    }
  }

  const beat = async (): Promise<void> => {
    await bucket.put(memberPrefix + owner, JSON.stringify({ owner }), beatMs).catch(() => undefined)
    await Promise.all([...held].map(([name, revision]) => renew(name, revision)))
  }
  let beating = Promise.resolve()
  const timer = setInterval(() => {
    beating = beating.then(beat)
  }, beatMs)
  await beat()

  const leases: Leases = {
    async acquire(name) {
      if (held.has(name)) return true
      const state = seen.get(name)
      if (alive(state)) return false
      try {
        held.set(name, await write(name, { owner }, state?.revision ?? 0))
        return true
      } catch {
        await refresh(bucket, name, onEntry)
        return false
      }
    },
    async release(name) {
      if (!held.delete(name)) return
      // A renewal under way has another revision than the one that was held: its answer is awaited, or the lease would
      // go on without anybody at work under it.
      await beating
      const state = seen.get(name)
      if (state?.value?.owner !== owner) return
      await write(name, { owner, released: true }, state.revision).catch(() => undefined)
    },
    onLost: (listener) => void lostListeners.add(listener),
    ownerlessMs(name) {
      const state = seen.get(name)
      if (!state?.value || alive(state)) return 0
      const since = performance.now() - state.at
      return state.value.released ? since : since - leaseMs
    },
    members: () => [...seen].filter(([key, state]) => key.startsWith(memberPrefix) && alive(state)).length,
    async close() {
      clearInterval(timer)
      await beating
      await Promise.all([...held.keys()].map((name) => leases.release(name)))
      await bucket.delete(memberPrefix + owner).catch(() => undefined)
      stop()
    },
  }
  return leases
}

/** After a lost race: what the key holds now. */
const refresh = async (bucket: Bucket, name: string, onEntry: (entry: BucketEntry) => void): Promise<void> => {
  const entry = await bucket.get(name).catch(() => undefined)
  if (entry) onEntry(entry)
}
