import { type Ack, type Headers, Refused, type StoredMessage, type StreamRange } from '#infra/nats/broker.ts'
import { createBatches, type Publication } from './batches.ts'
import { matches } from './subjects.ts'

export interface StreamSettings {
  name: string
  subjects: readonly string[]
  /** Milliseconds; 0: for ever. */
  maxAgeMs: number
  duplicateWindowMs: number
  /** -1: any number. */
  maxPerSubject: number
}

/** Of a single message, and within an atomic batch. */
const WRONG_SEQUENCE = 10071
const WRONG_SEQUENCE_IN_BATCH = 10164

const toStored = (seq: number, storedAt: number, { subject, data, headers }: Publication): StoredMessage => ({
  subject,
  seq,
  storedAt,
  data,
  header: (name) => headers[name] ?? '',
})

const ttlOf = (headers: Headers): number | undefined => {
  const text = headers['Nats-TTL']
  if (text === undefined) return undefined
  return text === 'never' ? Number.POSITIVE_INFINITY : Number(/^(\d+)s$/.exec(text)![1]) * 1000
}

/** One stream of the simulated server: what is in it, and the rules by which something comes into it or goes. */
export const createStream = (settings: StreamSettings) => {
  let messages: StoredMessage[] = []
  const bySubject = new Map<string, number>()
  const expiresAt = new Map<number, number>()
  const ids = new Map<string, { seq: number; at: number }>()
  const batches = createBatches()
  const listeners = new Set<() => void>()
  /** Everything that was ever stored: what a simulation is judged by. */
  const history: StoredMessage[] = []
  let lastSeq = 0
  let nextExpiry = Number.POSITIVE_INFINITY

  /** Index of the first message at or after `seq`. */
  const indexOf = (seq: number): number => {
    let [low, high] = [0, messages.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (messages[middle].seq < seq) low = middle + 1
      else high = middle
    }
    return low
  }

  const forget = ({ seq, subject }: StoredMessage): void => {
    expiresAt.delete(seq)
    if (bySubject.get(subject) !== seq) return
    const before = messages.findLast((message) => message.subject === subject)
    if (before) bySubject.set(subject, before.seq)
    else bySubject.delete(subject)
  }

  const remove = (isGone: (message: StoredMessage) => boolean): void => {
    const gone = messages.filter(isGone)
    if (gone.length === 0) return
    messages = messages.filter((message) => !isGone(message))
    for (const message of gone) forget(message)
  }

  /** All but the last `kept` messages of a subject; from the end, because there are few and they are the newest. */
  const keepLast = (subject: string, kept: number): void => {
    let found = 0
    for (let i = messages.length - 1; i >= 0; i--) {
      if (messages[i].subject !== subject || ++found <= kept) continue
      const [gone] = messages.splice(i, 1)
      expiresAt.delete(gone.seq)
      // Each time that one was stored all before it went: there is only one more.
      return
    }
  }

  const expire = (now: number): void => {
    if (now < nextExpiry) return
    for (const [seq, at] of expiresAt) if (at <= now) remove((message) => message.seq === seq)
    nextExpiry = Math.min(Number.POSITIVE_INFINITY, ...expiresAt.values())
  }

  const check = ({ subject, headers }: Publication, code: number): void => {
    const expected = headers['Nats-Expected-Last-Subject-Sequence']
    if (expected === undefined) return
    const last = bySubject.get(subject) ?? 0
    if (Number(expected) !== last) throw new Refused(code, `wrong last sequence: ${last}`)
  }

  const store = (publication: Publication, now: number): number => {
    const { subject, headers } = publication
    const seq = ++lastSeq
    const message = toStored(seq, now, publication)
    messages.push(message)
    history.push(message)
    bySubject.set(subject, seq)
    if (headers['Nats-Rollup'] === 'sub') keepLast(subject, 1)
    const ttl = ttlOf(headers) ?? (settings.maxAgeMs || Number.POSITIVE_INFINITY)
    if (Number.isFinite(ttl)) {
      expiresAt.set(seq, now + ttl)
      nextExpiry = Math.min(nextExpiry, now + ttl)
    }
    if (settings.maxPerSubject > 0) keepLast(subject, settings.maxPerSubject)
    return seq
  }

  const tell = (): void => {
    for (const listener of [...listeners]) listener()
  }

  const known = (headers: Headers, now: number): Ack | null => {
    const id = headers['Nats-Msg-Id']
    const found = id === undefined ? undefined : ids.get(id)
    return found && now - found.at < settings.duplicateWindowMs ? { seq: found.seq, duplicate: true } : null
  }

  return {
    settings,
    history,
    /** Null: staged in a batch that is still open. Throws Refused; then nothing of it is stored. */
    publish(publication: Publication, now: number): Ack | null {
      expire(now)
      const { headers } = publication
      if (headers['Nats-Batch-Id'] !== undefined) {
        const whole = batches.stage(publication, now)
        if (!whole) return null
        for (const message of whole) check(message, WRONG_SEQUENCE_IN_BATCH)
        let seq = 0
        for (const message of whole) seq = store(message, now)
        tell()
        return { seq, duplicate: false }
      }
      const before = known(headers, now)
      if (before) return before
      check(publication, WRONG_SEQUENCE)
      const seq = store(publication, now)
      const id = headers['Nats-Msg-Id']
      if (id !== undefined) ids.set(id, { seq, at: now })
      tell()
      return { seq, duplicate: false }
    },
    range(now: number): StreamRange {
      expire(now)
      const first = messages[0]?.seq ?? (lastSeq === 0 ? 0 : lastSeq + 1)
      const bytes = messages.reduce((sum, { data }) => sum + data.length, 0)
      return { first, last: lastSeq, bytes, made: settings.name }
    },
    subjects: (filter: string): string[] => [...bySubject.keys()].filter((subject) => matches(filter, subject)),
    last(subject: string): StoredMessage | null {
      if (subject.includes('*')) return messages.findLast((message) => matches(subject, message.subject)) ?? null
      const seq = bySubject.get(subject)
      return seq === undefined ? null : messages[indexOf(seq)]
    },
    /** First message from `seq` on whose subject matches one of the filters. */
    next(filters: readonly string[], seq: number): StoredMessage | null {
      for (let i = indexOf(seq); i < messages.length; i++) {
        const { subject } = messages[i]
        if (filters.some((filter) => filter === subject || matches(filter, subject))) return messages[i]
      }
      return null
    },
    purge: (filter: string, before = Number.POSITIVE_INFINITY): void =>
      remove((message) => message.seq < before && matches(filter, message.subject)),
    expire,
    /** Calls back after everything that is stored. */
    onStored(listener: () => void): () => void {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    /** SIGKILL and a new start: what was stored is there, what was staged is not. */
    restart: (): void => batches.forget(),
  }
}

export type SimStream = ReturnType<typeof createStream>
