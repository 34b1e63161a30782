import { SESSIONS, type SessionRow } from '#schema/checkpoint.ts'
import { dimensionsReader } from '#schema/compile-metric.ts'
import { type EventLine, SESSION_END } from '#schema/event.ts'
import { exactWeight } from '#schema/measures/weight.ts'
import { measureOf } from '#schema/measures.ts'
import { compareText } from '#schema/text-order.ts'
import { Deadlines } from './deadlines.ts'
import type { Session } from './session.ts'
import { SessionStore } from './sessions.ts'

/** What is remembered of the first event of a session, in the order of the dimensions of its rows. */
const FIRST = ['country', 'browser', 'os', 'device', 'userId', 'anonymousId'] as const
const readFirst = dimensionsReader(FIRST)

/** A session as an event of its end, for metrics on SESSION_END. */
const endOf = (tenant: string, { source, id, start, last, series }: Session, gap: number): EventLine => {
  const [{ dims, events, state }] = series.values()
  const [country, browser, os, device, userId, anonymousId] = dims.map((value) => value ?? undefined)
  const e = { id: '', name: SESSION_END, sessionId: id, userId, anonymousId }
  const properties = { seconds: (last - start) / 1_000, events }
  const server = { tenant, source, receivedAt: last, time: last + gap, key: id, schema: 0 }
  // What shedding left out is whole sessions: the weight of its events is its own.
  return { ...server, weight: exactWeight(state.n / events), country, browser, os, device, e: { ...e, properties } }
}

/** Where sessions are counted: `sign` -1 takes back what an ended one had counted. `ended`: its place in the log. */
export type CountSession = (
  line: EventLine,
  sign: 1 | -1,
  at: { ended: number; watermark: number; storedAt: number },
) => void

interface Moment {
  /** Place in the log and broker's time of the message that is read. */
  sequence: number
  storedAt: number
}

/**
 * The sessions of one tenant by one gap, for metrics on SESSION_END. A session is counted at its end once the watermark of
 * its source has passed it; when it goes on after that, what it had counted is taken back, and it is counted anew. So at
 * every checkpoint exactly those sessions are counted whose end the watermark has passed.
 */
export class TrackedSessions {
  /** Place in the log since which they are followed: the version of their rows. */
  readonly since: number
  private readonly tenant: string
  private readonly store: SessionStore
  private readonly count: CountSession
  private readonly open = new Map<string, Deadlines<Session>>()
  /** Of the event that is being added. */
  private now: Pick<Moment, 'storedAt'> = { storedAt: 0 }
  private watermark = Number.NEGATIVE_INFINITY

  constructor(tenant: string, gap: number, since: number, count: CountSession) {
    this.tenant = tenant
    this.since = since
    this.count = count
    this.store = new SessionStore({
      gap,
      measure: measureOf({ kind: 'COUNT' }),
      firstDims: true,
      onChange: (session) => this.takeBack(session),
    })
  }

  add(line: EventLine, watermark: number, now: Pick<Moment, 'storedAt'>): void {
    this.now = now
    this.watermark = watermark
    const { source, key: session, time, weight } = line
    const event = { source, session, time, dims: readFirst(line), value: undefined, weight, watermark }
    this.queue(this.store.add(event))
  }

  /** The watermark of a source has moved, or a late event has come: sessions that have ended by it are counted. */
  advance(source: string, before: number, watermark: number, { sequence, storedAt }: Moment): void {
    const open = this.open.get(source)
    if (!open) return
    const due = open.takeDue(watermark, (session) => this.awaitedEnd(session))
    // A restored fold has them in another order.
    due.sort((a, b) => a.last - b.last || compareText(a.id, b.id) || a.start - b.start)
    for (const session of due) {
      session.queued = false
      session.ended = sequence
      this.store.restate(session)
      this.count(endOf(this.tenant, session, this.store.gap), 1, { ended: sequence, watermark: before, storedAt })
    }
  }

  get pending(): number {
    return this.store.pending
  }

  take(): SessionRow[] {
    return this.store.take({ tenant: this.tenant, metric: SESSIONS, version: this.since })
  }

  restore(row: SessionRow): void {
    const session = this.store.restore(row)
    if (session && session.ended === undefined) this.queue(session)
  }

  has(row: SessionRow): boolean {
    return this.store.has(row)
  }

  hasOpen(time: number): boolean {
    return this.store.hasOpen(time)
  }

  evict(source: string, closedBefore: number): void {
    this.store.evict(source, closedBefore)
  }

  /** Undefined: nobody waits for it any more. */
  private awaitedEnd(session: Session): number | undefined {
    // A state that is restored says first that it goes on, and then that it has ended.
    if (!session.gone && session.ended === undefined) return session.last + this.store.gap
    session.queued = false
    return undefined
  }

  private takeBack(session: Session): void {
    const { ended } = session
    if (ended === undefined) return
    const { watermark, now } = this
    this.count(endOf(this.tenant, session, this.store.gap), -1, { ended, watermark, storedAt: now.storedAt })
    session.ended = undefined
  }

  private queue(session: Session): void {
    if (session.queued) return
    let open = this.open.get(session.source)
    if (!open) {
      open = new Deadlines()
      this.open.set(session.source, open)
    }
    session.queued = true
    open.push(session.last + this.store.gap, session)
  }
}
