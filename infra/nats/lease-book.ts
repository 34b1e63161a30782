import type { BucketEntry } from './broker.ts'

/** What stands in a key of the bucket: a lease, or the heartbeat of a member. */
export interface LeaseValue {
  owner: string
  /** Given back: free at once. */
  released?: true
  /** The holder is at work under it. */
  ready?: true
  /** Of a member: leases that it will not take. */
  declines?: string[]
}

/** A revision of a key, when this process first saw it by its own monotonic clock, and when the broker stored it. */
interface Seen {
  value: LeaseValue | null
  revision: number
  at: number
  storedAt?: number
}

/**
 * What one process knows of leases and members. A revision that stands still for `leaseMs` is of a dead writer: no clock
 * is compared between machines. `onChange`: a holder or a member has come, gone or said something new; a heartbeat alone
 * is no change.
 */
export const createLeaseBook = (leaseMs: number, onChange: () => void) => {
  const seen = new Map<string, Seen>()
  /** What is said of each key, as of the last look; nothing of the dead. */
  const standing = new Map<string, string>()
  let timer: NodeJS.Timeout | undefined

  const lives = (state: Seen | undefined): state is Seen & { value: LeaseValue } =>
    state?.value != null && !state.value.released && performance.now() - state.at < leaseMs

  const look = (): void => {
    let isChanged = false
    for (const [key, state] of seen) {
      const now = lives(state) ? JSON.stringify(state.value) : ''
      if ((standing.get(key) ?? '') !== now) isChanged = true
      standing.set(key, now)
    }
    if (isChanged) onChange()
  }

  /** Looks again when the next one may have run out. */
  const arm = (): void => {
    const ends = [...seen.values()].filter(lives).map(({ at }) => at + leaseMs)
    if (ends.length === 0) return
    const next = (): void => {
      timer = undefined
      look()
      arm()
    }
    timer = setTimeout(next, Math.max(0, Math.ceil(Math.min(...ends) - performance.now())) + 1)
  }

  return {
    /** What stands in a key, of an own write or as the bucket tells. */
    note(key: string, value: LeaseValue | null, revision: number, storedAt?: number): void {
      const known = seen.get(key)
      if (known && known.revision >= revision) return
      seen.set(key, { value, revision, at: performance.now(), storedAt })
      look()
      if (!timer) arm()
    },
    /**
     * The broker's time of now. What was there before this process is as old as the broker says: so a process that
     * starts after a crash knows as soon as the others that an owner is dead.
     */
    setTime(brokerNow: number): void {
      const now = performance.now()
      for (const state of seen.values()) {
        if (state.storedAt !== undefined) state.at = Math.min(state.at, now - (brokerNow - state.storedAt))
      }
      clearTimeout(timer)
      look()
      arm()
    },
    get: (key: string): Seen | undefined => seen.get(key),
    isAlive: (key: string): boolean => lives(seen.get(key)),
    /** What those say whose keys begin so and who are alive. */
    alive: (prefix: string): LeaseValue[] =>
      [...seen].flatMap(([key, state]) => (key.startsWith(prefix) && lives(state) ? [state.value] : [])),
    stop: (): void => clearTimeout(timer),
  }
}

export const readLeaseValue = ({ text }: BucketEntry): LeaseValue | null =>
  text === null ? null : (JSON.parse(text) as LeaseValue)
