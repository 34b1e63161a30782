import type { SpanContext, Tracer } from '@opentelemetry/api'
import { partitionOf } from '#schema/hash.ts'
import { FRAME_DEADLINE_MS, LIMITS } from '#schema/limits.ts'
import { inSpan, NO_TRACER } from '#schema/spans.ts'
import { TraceBatch, writeTrace } from '#schema/trace.ts'
import type { LogWriter } from '../ports.ts'
import { type Admission, createAdmission } from './admission.ts'
import { FrameBuffer } from './frame-buffer.ts'
import { FrameCounts } from './frame-counts.ts'
import { startFrameSpan } from './frame-span.ts'
import type { Line } from './line-writer.ts'
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
  /** EventLine JSON, or what writes it. */
  line: string | Line
  /** Of its request. */
  trace?: SpanContext
  /** It may take the bytes that are kept for HIGH events. */
  isHigh?: boolean
}

/** Why an event was not taken: too many bytes are in flight, of all or of its lane, or the gateway stops. */
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
  /** The bound on bytes in flight. */
  admission?: Admission
  frameBytes?: number
  frameEvents?: number
  /** Longest that counts of refused events wait for a frame to ride on. */
  refusedMs?: number
  /** Told of each frame that is not acknowledged, for the operator's log. */
  onFailure?: (partition: number, reason: string) => void
  tracer?: Tracer
}

interface Frame {
  content: FrameBuffer
  counts: FrameCounts
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
  /** Of its last frame. */
  lastBytes: number
  /** Of all its frames. */
  bytes: number
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
  const admission = dependencies.admission ?? createAdmission({ monotonic })
  const frameBytes = dependencies.frameBytes ?? LIMITS.frameBytes
  const frameEvents = dependencies.frameEvents ?? LIMITS.frameEvents
  const lanes: Lane[] = Array.from({ length: partitions }, (_, partition) => ({
    partition,
    frames: [],
    refusals: createRefusals({ refusedMs: dependencies.refusedMs, monotonic, isDue: () => flush(lanes[partition]) }),
    sending: false,
    scheduled: false,
    lastBytes: 0,
    bytes: 0,
  }))
  /** Those whose next frame goes at the end of this turn of the event loop. */
  const due: Lane[] = []
  const idleListeners = new Set<() => void>()
  let waiting = 0
  let closed = false
  let number = 0

  const newFrame = ({ lastBytes }: Lane): Frame => {
    const { promise, resolve } = Promise.withResolvers<FrameOutcome>()
    const ticket = { outcome: promise }
    return {
      content: new FrameBuffer(lastBytes),
      counts: new FrameCounts(),
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
      last.content.bytes + bytes <= frameBytes &&
      last.content.lines < frameEvents
    if (fits) return last
    const frame = newFrame(lane)
    lane.frames.push(frame)
    return frame
  }

  /** Puts an event into its partition's open frame. A line that is longer than a whole frame gets one of its own. */
  const add = ({ partition, tenant, receivedAt, line, trace, isHigh = false }: FrameEvent): FrameTicket | NotTaken => {
    const most = (typeof line === 'string' ? Buffer.byteLength(line) : line.bytes) + 1
    if (closed) return 'CLOSED'
    const lane = lanes[partition]
    if (!admission.mayPlace(most, lane.bytes, isHigh)) return 'FULL'
    const frame = openFrame(lane, most)
    const { content, counts } = frame
    const before = content.bytes
    content.append(line, most)
    hold(lane, content.bytes - before)
    counts.add(tenant, receivedAt)
    if (trace) {
      frame.traces ??= new TraceBatch()
      frame.traces.add(trace)
    }
    schedule(lane)
    return frame.ticket
  }

  const hold = (lane: Lane, bytes: number): void => {
    admission.place(bytes)
    lane.bytes += bytes
    waiting += bytes
  }

  const release = (lane: Lane, bytes: number): void => {
    admission.leave(bytes)
    lane.bytes -= bytes
    waiting -= bytes
    metrics.waitingBytes.set(waiting)
  }

  /**
   * After the events of this request, and of all others that came in the same turn of the event loop. Frames of all
   * partitions that go in a turn go together: they reach the log in one write rather than one each, which costs most of
   * what a small frame does.
   */
  const schedule = (lane: Lane): void => {
    if (lane.sending || lane.scheduled) return
    lane.scheduled = true
    if (due.push(lane) === 1) setImmediate(sendDue)
  }

  const sendDue = (): void => {
    for (const lane of due.splice(0)) {
      lane.scheduled = false
      void sendNext(lane)
    }
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

  const sendNext = async (lane: Lane): Promise<void> => {
    lane.sending = true
    const [frame] = lane.frames
    const outcome = await send(lane, frame)
    release(lane, frame.content.bytes)
    frame.settle(outcome)
    if (outcome.acknowledged) await confirmRefusals(lane)
    lane.frames.shift()
    lane.sending = false
    if (lane.frames.length > 0) schedule(lane)
    else if (isIdle()) for (const listener of idleListeners) listener()
  }

  const send = async (lane: Lane, frame: Frame): Promise<FrameOutcome> => {
    const { partition, refusals } = lane
    const startedAt = monotonic()
    const left = deadlineMs - (startedAt - frame.openedAt)
    if (left <= 0) return failed(partition, 'expired', 'it waited too long for its turn')
    const { content, traces } = frame
    const data = content.whole()
    const refused = refusals.take()
    if (content.lines === 0 && refused.length === 0) return NOTHING_TO_SEND
    lane.lastBytes = Math.min(data.length, frameBytes)
    const { counts, received: accepted } = frame.counts.list()
    const received = [...accepted, ...refused]
    const messageId = `${processId}-${partition}-${number++}`
    const [events, bytes, waitedMs] = [content.lines, data.length, startedAt - frame.openedAt]
    const span = startFrameSpan(tracer, { partition, messageId, processId, events, bytes, waitedMs, traces })
    try {
      const outgoing = { partition, messageId, data, counts, received, ...writeTrace(span?.spanContext()) }
      const sequence = await inSpan(span, () => log.append(outgoing, left))
      metrics.frames.inc({ outcome: 'acknowledged' })
      metrics.frameBytes.inc(data.length)
      if (events > 0) metrics.frameEvents.observe(events)
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

  return { add, refuse, drain, waitingBytes: () => waiting, retryAfterMs: admission.retryAfterMs }
}

export type OpenFrames = ReturnType<typeof createOpenFrames>
