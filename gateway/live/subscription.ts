import type { Span } from '@opentelemetry/api'
import type { MetricStore } from '#gateway/ports.ts'
import { MillraceError } from '#schema/errors.ts'
import type { Changes } from './changes.ts'
import { decodeCursor, encodeCursor } from './cursor.ts'
import type { LiveView, Moment } from './live-view.ts'
import type { MetricRequest } from './metric-reader.ts'
import type { Pending } from './pending.ts'
import type { Point } from './points.ts'
import { pulled } from './pulled.ts'
import type { PushSpans } from './push-spans.ts'
import type { Reading } from './reading.ts'
import type { Watch, Watches } from './watch.ts'

export interface SubscribeRequest extends MetricRequest {
  /** Windows of the snapshot. */
  last: number
  /** A cursor of an earlier update. */
  after?: string
}

export interface Update {
  kind: 'SNAPSHOT' | 'DELTA' | 'RESET'
  points: Point[]
  /** Milliseconds since 1970; null before the tenant's first event. */
  watermark: number | null
  asOf: number
  cursor: string
}

interface SubscribeOptions {
  view: LiveView
  metrics: MetricStore
  deploymentId: string
  watches: Watches
  patienceMs: number
  pushSpans?: PushSpans
  resolve(tenant: string, request: MetricRequest): Reading
  whenReady(signal: AbortSignal): Promise<void>
}

const MAX_WINDOWS = 10_000

/** Resolves at the next tick, when `wake` is called, or when the reader leaves. */
const wakeUp = (watch: Watch, signal: AbortSignal): { wake: () => void; done: Promise<void> } => {
  const { promise, resolve } = Promise.withResolvers<void>()
  const wake = (): void => {
    stop()
    signal.removeEventListener('abort', wake)
    resolve()
  }
  const stop = watch.listen(wake)
  signal.addEventListener('abort', wake)
  return { wake, done: promise }
}

/** What one subscriber has been sent. */
interface Sent {
  reading: Reading
  watch: Watch
  pending: Pending
  moment: Moment
  asOf: number
  /** Of the update that is on its way: it has left when the next one is asked for. */
  push?: Span
}

const arrived = (sent: Sent | undefined): void => {
  sent?.push?.end()
  if (sent) sent.push = undefined
}

const readCursor = (text: string, { operation }: Reading, deploymentId: string, partitions: number) => {
  const invalid = (why: string): MillraceError =>
    new MillraceError('CURSOR_INVALID', `after is not a cursor of this subscription: ${why}. Subscribe without after`)
  const cursor = decodeCursor(text)
  if (!cursor) throw invalid('it cannot be read')
  if (cursor.deployment !== deploymentId) throw invalid('it comes from another deployment')
  if (cursor.positions.length !== partitions) throw invalid('it comes from another number of partitions')
  if (!cursor.isOf(operation.key)) throw invalid('it was made for another metric, window, by or where')
  return cursor
}

/**
 * Subscriptions to metrics. Each remembers the positions that it has sent and asks for what is newest when its reader
 * is ready, so a slow reader skips states and nothing queues up.
 */
export const createSubscribe = (options: SubscribeOptions) => {
  const { view, metrics, deploymentId, watches, patienceMs, pushSpans, resolve, whenReady } = options

  const begin = (reading: Reading, moment: Moment, asOf: number, poke: () => void): Sent => {
    const watch = watches.acquire(reading)
    return { reading: watch.reading, watch, pending: reading.pending(poke), moment, asOf }
  }

  const toUpdate = (kind: Update['kind'], points: Point[], sent: Sent): Update => {
    const { reading, moment, asOf, pending } = sent
    const { operation, stepMs } = reading
    const cursor = {
      deployment: deploymentId,
      operation: operation.key,
      version: operation.version,
      asOf,
      ...moment,
      pending: pending.ranges(),
    }
    return { kind, points, watermark: moment.time.watermark, asOf, cursor: encodeCursor(cursor, stepMs) }
  }

  /** Waits until this gateway has what the cursor has. Null: too old, or of another version of the metric. */
  const resume = async (text: string, reading: Reading, poke: () => void, signal: AbortSignal) => {
    const cursor = readCursor(text, reading, deploymentId, view.loaded().length)
    if (!(await view.reached(cursor.positions, patienceMs, signal))) {
      throw new MillraceError('UNAVAILABLE', 'this gateway is behind the cursor; try again in a few seconds')
    }
    const { positions, time, asOf, pending } = cursor
    const moment = { positions, time }
    if (cursor.version !== reading.operation.version || reading.isTooOld({ moment, asOf })) return null
    const sent = begin(reading, moment, asOf, poke)
    sent.pending.addBacklog(pending, positions)
    return sent
  }

  // Whoever has seen the same and waits for nothing from the store gets the very same update: it is executed once.
  const shared = new WeakMap<Changes, Update>()

  /** What is new since `sent`, or undefined; moves `sent` on. */
  const advance = (sent: Sent): Update | undefined => {
    const { pending, watch } = sent
    const { operation } = sent.reading
    const taken = pending.take()
    const now = view.moment(operation.tenant)
    if (watch.isDue() || now === sent.moment) return taken.length > 0 ? toUpdate('DELTA', taken, sent) : undefined
    const changes = watch.changes(sent.moment, now)
    pending.add(changes.stored, now.positions)
    const since = sent.moment.positions
    sent.moment = now
    sent.asOf = view.asOf()
    if (taken.length + changes.points.length === 0) return undefined
    // What many are sent has one span: that of the first who gets it.
    if (!shared.has(changes)) sent.push = pushSpans?.start(operation, since, now.positions, changes.points.length)
    if (taken.length + pending.ranges().length > 0) return toUpdate('DELTA', [...taken, ...changes.points], sent)
    const update = shared.get(changes) ?? toUpdate('DELTA', changes.points, sent)
    shared.set(changes, update)
    return update
  }

  const isCurrent = ({ reading: { operation } }: Sent): boolean => {
    const record = metrics.get(operation.tenant, operation.metric)
    return record !== undefined && !record.deleted && record.definition.version === operation.version
  }

  /**
   * Without `after`: a SNAPSHOT of the newest windows, then DELTAs. With it: DELTAs, or a RESET where too much time has
   * passed. Each call of next() answers what is newest then. Rejects at once with METRIC_UNKNOWN, WINDOW_NOT_DEFINED,
   * FIELD_NOT_A_DIMENSION, BAD_INPUT, CURSOR_INVALID or UNAVAILABLE; a metric that is deleted ends with METRIC_UNKNOWN.
   */
  return async (tenant: string, request: SubscribeRequest): Promise<AsyncIterableIterator<Update>> => {
    const { last, after } = request
    if (last < 1 || last > MAX_WINDOWS)
      throw new MillraceError('BAD_INPUT', `last is ${last}; it must be 1 to ${MAX_WINDOWS} windows`)
    let poke = (): void => {}
    let sent: Sent | undefined
    let first: Update | undefined

    const startAnew = async (kind: Update['kind'], signal: AbortSignal): Promise<Update | undefined> => {
      const reading = resolve(tenant, request)
      const newest = await reading.newest(last, { deadlineMs: patienceMs, signal })
      if (signal.aborted) return undefined
      sent?.watch.release()
      sent = begin(reading, newest.moment, newest.asOf, () => poke())
      if (newest.stored) sent.pending.noteSent(newest.stored.starts, newest.stored.positions)
      return toUpdate(kind, newest.points, sent)
    }

    const next = async (signal: AbortSignal): Promise<Update | undefined> => {
      arrived(sent)
      if (first) {
        const update = first
        first = undefined
        return update
      }
      while (!signal.aborted && sent) {
        if (!isCurrent(sent) || sent.reading.isTooOld(sent)) return startAnew('RESET', signal)
        const update = advance(sent)
        if (update) return update
        const woken = wakeUp(sent.watch, signal)
        poke = woken.wake
        void sent.pending.read(signal)
        await woken.done
      }
      return undefined
    }

    const stream = pulled(next, () => {
      arrived(sent)
      sent?.watch.release()
    })
    try {
      const reading = resolve(tenant, request)
      await whenReady(stream.signal)
      const resumed = after === undefined ? null : await resume(after, reading, () => poke(), stream.signal)
      if (resumed) sent = resumed
      else first = await startAnew(after === undefined ? 'SNAPSHOT' : 'RESET', stream.signal)
    } catch (error) {
      await stream.iterator.return?.()
      throw error
    }
    return stream.iterator
  }
}
