import type { Leases } from '#processors/ports.ts'
import { BUCKETS } from '#schema/subjects.ts'
import type { Broker, BucketEntry } from './broker.ts'
import { createLeaseBook, type LeaseValue, readLeaseValue } from './lease-book.ts'
import { watchBucket } from './watch.ts'

interface LeaseOptions {
  owner: string
  kind: string
  leaseMs: number
}

/**
 * Leases in a KV bucket. A holder writes its key again and again (compare-and-set); who sees a revision stand still for
 * `leaseMs` takes over by compare-and-set on it. A holder that was stopped finds another revision when it goes on, and
 * what it writes meanwhile is fenced by the epoch in the partition's head.
 */
export const createLeases = async (broker: Broker, { owner, kind, leaseMs }: LeaseOptions): Promise<Leases> => {
  const held = new Map<string, { revision: number; ready?: true }>()
  const lostListeners = new Set<(name: string) => void>()
  const changeListeners = new Set<() => void>()
  const declines = new Set<string>()
  const members = `member.${kind}.`
  const memberKey = members + owner
  let isMember = true
  let isTimed = false
  // Also how long a beat waits for its answer: one that got lost must not cost the lease.
  const beatMs = leaseMs / 3

  const book = createLeaseBook(leaseMs, () => {
    for (const listener of changeListeners) listener()
  })
  const onEntry = (entry: BucketEntry): void => {
    book.note(entry.key, readLeaseValue(entry), entry.revision, entry.storedAt)
    if (isTimed || entry.key !== memberKey) return
    isTimed = true
    book.setTime(entry.storedAt)
  }
  const { bucket, stop } = await watchBucket(broker, BUCKETS.leases, onEntry)

  const write = async (key: string, value: LeaseValue, revision: number): Promise<number> => {
    const text = JSON.stringify(value)
    const next = revision === 0 ? await bucket.create(key, text) : await bucket.update(key, text, revision, beatMs)
    book.note(key, value, next)
    return next
  }

  const lose = (name: string): void => {
    held.delete(name)
    for (const listener of lostListeners) listener(name)
  }

  const renew = async (name: string): Promise<void> => {
    const lease = held.get(name)
    if (!lease) return
    try {
      lease.revision = await write(name, { owner, ...(lease.ready ? { ready: true } : {}) }, lease.revision)
    } catch {
      // Refused, or no answer: the key itself tells which.
      const entry = await bucket.get(name).catch(() => undefined)
      if (entry === undefined || held.get(name) !== lease) return
      if (entry && readLeaseValue(entry)?.owner === owner) lease.revision = entry.revision
      else lose(name)
    }
  }

  const announce = async (): Promise<void> => {
    if (!isMember) return
    const value: LeaseValue = { owner, ...(declines.size > 0 ? { declines: [...declines] } : {}) }
    await bucket.put(memberKey, JSON.stringify(value), beatMs).catch(() => undefined)
  }
  const beat = async (): Promise<void> => {
    await announce()
    await Promise.all([...held.keys()].map(renew))
  }
  /** Writes of one process follow each other: a renewal under way has another revision than the one that is known. */
  let writing = Promise.resolve()
  const inTurn = (action: () => Promise<void>): Promise<void> => {
    writing = writing.then(action)
    return writing
  }
  const timer = setInterval(() => void inTurn(beat), beatMs)
  await beat()

  /** After a lost race: what the key holds now. */
  const refresh = async (name: string): Promise<void> => {
    const entry = await bucket.get(name).catch(() => undefined)
    if (entry) onEntry(entry)
  }

  const leases: Leases = {
    leaseMs,
    self: owner,
    async acquire(name) {
      if (held.has(name)) return true
      if (book.isAlive(name)) return false
      try {
        held.set(name, { revision: await write(name, { owner }, book.get(name)?.revision ?? 0) })
        return true
      } catch {
        await refresh(name)
        return false
      }
    },
    ready(name) {
      return inTurn(async () => {
        const lease = held.get(name)
        if (!lease) return
        lease.ready = true
        await renew(name)
      })
    },
    async release(name) {
      if (!held.delete(name)) return
      // A renewal under way has another revision than the one that was held: its answer is awaited, or the lease would
      // go on without anybody at work under it.
      await writing
      const state = book.get(name)
      if (state?.value?.owner !== owner) return
      await write(name, { owner, released: true }, state.revision).catch(() => undefined)
    },
    onLost: (listener) => void lostListeners.add(listener),
    onChange: (listener) => void changeListeners.add(listener),
    look(name) {
      const state = book.get(name)
      if (book.isAlive(name)) {
        return { owner: state?.value?.owner ?? null, isReady: state?.value?.ready === true, ownerlessMs: 0 }
      }
      const since = state?.value ? performance.now() - state.at : 0
      return { owner: null, isReady: false, ownerlessMs: state?.value?.released ? since : Math.max(0, since - leaseMs) }
    },
    members: () =>
      book
        .alive(members)
        .map((value) => ({ id: value.owner, declines: new Set(value.declines) as ReadonlySet<string> })),
    async decline(name) {
      if (declines.has(name)) return
      declines.add(name)
      await inTurn(announce)
    },
    async leave() {
      if (!isMember) return
      isMember = false
      await bucket.delete(memberKey).catch(() => undefined)
    },
    async close() {
      clearInterval(timer)
      await leases.leave()
      await writing
      await Promise.all([...held.keys()].map((name) => leases.release(name)))
      stop()
      book.stop()
    },
  }
  return leases
}
