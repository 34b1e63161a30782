import type { SpanContext, Tracer } from '@opentelemetry/api'
import { partitionOf } from '#schema/hash.ts'
import { createReceivedTally, type ReceivedTally } from '#schema/ledger.ts'
import { FRAME_DEADLINE_MS, LIMITS } from '#schema/limits.ts'
import { inSpan, NO_TRACER } from '#schema/spans.ts'
import { TraceBatch, writeTrace } from '#schema/trace.ts'
import type { LogWriter } from '../ports.ts'
import { startFrameSpan } from './frame-span.ts'
import type { CollectMetrics } from './metrics.ts'
import { createRefusals, type Refusals, type RefusedEvents } from './refusals.ts'

/** What became of a frame. When it is not in the log for sure, it may still be: a retry is recognised by its events. */
export type FrameOutcome = { acknowledged: true; sequence: number } | { acknowledged: false; reason: string }

/** A frame that events were put into. All requests that share it share the one promise, which never rejects. */
export interface FrameTicket {
  readonly outcome: Promise<FrameOutcome>
}

export interface FrameEvent {
  partition: number
  tenant: string
  /** When the gateway received it, milliseconds since 1970. */
  receivedAt: number
  /** EventLine JSON. */
  line: string
  /** Of its request. */
  trace?: SpanContext
}

/** Why an event was not taken: too many bytes wait for the log, or the gateway stops. */
export type NotTaken = 'FULL' | 'CLOSED'

export interface OpenFramesDependencies {
  log: LogWriter
  metrics: CollectMetrics
  partitions: number
  /** Distinguishes the message ids of this process from all others'. */
  processId: string
  /** Monotonic, milliseconds. */
  monotonic?: () => number
  /** From the first event of a frame to its acknowledgement. */
  deadlineMs?: number
  /** Of all frames that are not acknowledged. */
  waitingBytes?: number
  frameBytes?: number
  frameEvents?: number
  /** Longest that counts of refused events wait for a frame to ride on. */
  refusedMs?: number
  /** Told of each frame that is not acknowledged, for the operator's log. */
  onFailure?: (partition: number, reason: string) => void
  tracer?: Tracer
}

interface Frame {
  lines: string[]
  bytes: number
  counts: Map<string, number>
  received: ReceivedTally
  /** Of its requests, where there are any. */
  traces: TraceBatch | undefined
  openedAt: number
  ticket: FrameTicket
  settle: (outcome: FrameOutcome) => void
}

/** Of a frame without lines, which nobody waits for, after another one has taken the refusals along. */
const NOTHING_TO_SEND: FrameOutcome = { acknowledged: true, sequence: 0 }

/** Frames of one partition in the order in which they enter the log. The last one is open. */
interface Lane {
  partition: number
  frames: Frame[]
  refusals: Refusals
  sending: boolean
  scheduled: boolean
}

/**
 * Group commit: one open frame per partition. While a frame is in flight the next one fills, and goes when the first is
 * acknowledged; so a quiet gateway waits for nothing and a busy one writes few, large frames. A frame that is full is
 * closed and the next one opened behind it. One frame of a partition is in flight at a time, which keeps their order.
 */
export const createOpenFrames = (dependencies: OpenFramesDependencies) => {
  const { log, metrics, partitions, processId, tracer = NO_TRACER } = dependencies
  const monotonic = dependencies.monotonic ?? (() => performance.now())
  const deadlineMs = dependencies.deadlineMs ?? FRAME_DEADLINE_MS
  const waitingLimit = dependencies.waitingBytes ?? 64_000_000
  const frameBytes = dependencies.frameBytes ?? LIMITS.frameBytes
  const frameEvents = dependencies.frameEvents ?? LIMITS.frameEvents
  const lanes: Lane[] = Array.from({ length: partitions }, (_, partition) => ({
    partition,
    frames: [],
    refusals: createRefusals({ refusedMs: dependencies.refusedMs, monotonic, isDue: () => flush(lanes[partition]) }),
    sending: false,
    scheduled: false,
  }))
  const idleListeners = new Set<() => void>()
  let waiting = 0
  let closed = false
  let number = 0

  const newFrame = (): Frame => {
    const { promise, resolve } = Promise.withResolvers<FrameOutcome>()
    const ticket = { outcome: promise }
    return {
      lines: [],
      bytes: 0,
      counts: new Map(),
      received: createReceivedTally(),
      traces: undefined,
      openedAt: monotonic(),
      ticket,
      settle: resolve,
    }
  }

  /** The frame that takes `bytes` more. The one in flight, if any, is the first and takes nothing. */
  const openFrame = (lane: Lane, bytes: number): Frame => {
    const last = lane.frames.at(-1)
    const fits =
      last !== undefined &&
      !(lane.sending && lane.frames.length === 1) &&
      last.bytes + bytes <= frameBytes &&
      last.lines.length < frameEvents
    if (fits) return last
    const frame = newFrame()
    lane.frames.push(frame)
    return frame
  }

  /** Puts an event into its partition's open frame. A line that is longer than a whole frame gets one of its own. */
  const add = ({ partition, tenant, receivedAt, line, trace }: FrameEvent): FrameTicket | NotTaken => {
    const bytes = Buffer.byteLength(line) + 1
    if (closed) return 'CLOSED'
    if (waiting + bytes > waitingLimit) return 'FULL'
    const lane = lanes[partition]
    const frame = openFrame(lane, bytes)
    frame.lines.push(line)
    frame.bytes += bytes
    frame.counts.set(tenant, (frame.counts.get(tenant) ?? 0) + 1)
    frame.received.add(tenant, receivedAt, 'accepted', 1)
    if (trace) {
      frame.traces ??= new TraceBatch()
      frame.traces.add(trace)
    }
    waiting += bytes
    schedule(lane)
    return frame.ticket
  }

  /** After the events of this request, and of all others that came in the same turn of the event loop. */
  const schedule = (lane: Lane): void => {
    if (lane.sending || lane.scheduled) return
    lane.scheduled = true
    setImmediate(() => {
      lane.scheduled = false
      void drainLane(lane)
    })
  }

  /** Events that got their verdict and no place in the log: their counts ride on a frame of the tenant's partition. */
  const refuse = (events: RefusedEvents): void => {
    const lane = lanes[partitionOf(events.tenant, '', partitions)]
    lane.refusals.add(events)
    if (closed && lane.refusals.isWaiting()) flush(lane)
  }

  /** Sees to it that a frame goes, without a line when no event comes, that takes the refusals along. */
  const flush = (lane: Lane): void => {
    openFrame(lane, 0)
    schedule(lane)
  }

  const drainLane = async (lane: Lane): Promise<void> => {
    lane.sending = true
    for (let frame = lane.frames[0]; frame; frame = lane.frames[0]) {
      const outcome = await send(lane, frame)
      waiting -= frame.bytes
      metrics.waitingBytes.set(waiting)
      frame.settle(outcome)
      if (outcome.acknowledged) await confirmRefusals(lane)
      lane.frames.shift()
    }
    lane.sending = false
    if (isIdle()) for (const listener of idleListeners) listener()
  }

  const send = async ({ partition, refusals }: Lane, frame: Frame): Promise<FrameOutcome> => {
    const startedAt = monotonic()
    const left = deadlineMs - (startedAt - frame.openedAt)
    if (left <= 0) return failed(partition, 'expired', 'it waited too long for its turn')
    const { counts, traces } = frame
    const data = Buffer.from(frame.lines.join('\n'))
    const refused = refusals.take()
    if (frame.lines.length === 0 && refused.length === 0) return NOTHING_TO_SEND
    const received = [...frame.received.list(), ...refused]
    const messageId = `${processId}-${partition}-${number++}`
    const [events, bytes, waitedMs] = [frame.lines.length, data.length, startedAt - frame.openedAt]
    const span = startFrameSpan(tracer, { partition, messageId, processId, events, bytes, waitedMs, traces })
    try {
      const outgoing = { partition, messageId, data, counts, received, ...writeTrace(span?.spanContext()) }
      const sequence = await inSpan(span, () => log.append(outgoing, left))
      metrics.frames.inc({ outcome: 'acknowledged' })
      metrics.frameBytes.inc(data.length)
      if (frame.lines.length > 0) metrics.frameEvents.observe(frame.lines.length)
      metrics.ackSeconds.observe((monotonic() - startedAt) / 1000)
      return { acknowledged: true, sequence }
    } catch (error) {
      refusals.doubt(messageId, refused)
      return failed(partition, 'failed', error instanceof Error ? error.message : String(error))
    }
  }

  /** The log answers again: counts of refused events that went with a frame that was not confirmed are sent again. */
  const confirmRefusals = async ({ partition, refusals }: Lane): Promise<void> => {
    const lost = await refusals.confirm((messageId, received) =>
      log.append({ partition, messageId, data: new Uint8Array(), counts: new Map(), received }, deadlineMs),
    )
    if (lost > 0)
      dependencies.onFailure?.(partition, `the log was away for too long: ${lost} refused events are not counted`)
  }

  const failed = (partition: number, outcome: string, reason: string): FrameOutcome => {
    metrics.frames.inc({ outcome })
    dependencies.onFailure?.(partition, reason)
    return { acknowledged: false, reason }
  }

  const isIdle = (): boolean => lanes.every((lane) => lane.frames.length === 0)

  /** Takes no more events and waits, for up to `limitMs`, until all frames are settled; answers whether they are. */
  const drain = async (limitMs: number): Promise<boolean> => {
    closed = true
    for (const lane of lanes) if (lane.refusals.isWaiting()) flush(lane)
    if (isIdle()) return true
    const { promise, resolve } = Promise.withResolvers<void>()
    idleListeners.add(resolve)
    const timer = setTimeout(resolve, limitMs)
    await promise
    clearTimeout(timer)
    idleListeners.delete(resolve)
    return isIdle()
  }

  return { add, refuse, drain, waitingBytes: () => waiting }
}
