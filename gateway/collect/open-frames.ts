import { LIMITS } from '#schema/limits.ts'
import type { LogWriter } from '../ports.ts'
import type { CollectMetrics } from './metrics.ts'

/** What became of a frame. When it is not in the log for sure, it may still be: a retry is recognised by its events. */
export type FrameOutcome = { acknowledged: true; sequence: number } | { acknowledged: false; reason: string }

/** A frame that events were put into. All requests that share it share the one promise, which never rejects. */
export interface FrameTicket {
  readonly outcome: Promise<FrameOutcome>
}

export interface FrameEvent {
  partition: number
  tenant: string
  /** EventLine JSON. */
  line: string
  traceparent?: string
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
  /** Told of each frame that is not acknowledged, for the operator's log. */
  onFailure?: (partition: number, reason: string) => void
}

interface Frame {
  lines: string[]
  bytes: number
  counts: Map<string, number>
  /** Of the first request that had one: a frame has one place in one trace, and the others' spans end at their receipt. */
  traceparent?: string
  openedAt: number
  ticket: FrameTicket
  settle: (outcome: FrameOutcome) => void
}

/** Frames of one partition in the order in which they enter the log. The last one is open. */
interface Lane {
  partition: number
  frames: Frame[]
  sending: boolean
  scheduled: boolean
}

/**
 * Group commit: one open frame per partition. While a frame is in flight the next one fills, and goes when the first is
 * acknowledged; so a quiet gateway waits for nothing and a busy one writes few, large frames. A frame that is full is
 * closed and the next one opened behind it. One frame of a partition is in flight at a time, which keeps their order.
 */
export const createOpenFrames = (dependencies: OpenFramesDependencies) => {
  const { log, metrics, partitions, processId } = dependencies
  const monotonic = dependencies.monotonic ?? (() => performance.now())
  const deadlineMs = dependencies.deadlineMs ?? 10_000
  const waitingLimit = dependencies.waitingBytes ?? 64_000_000
  const frameBytes = dependencies.frameBytes ?? LIMITS.frameBytes
  const frameEvents = dependencies.frameEvents ?? LIMITS.frameEvents
  const lanes: Lane[] = Array.from({ length: partitions }, (_, partition) => ({
    partition,
    frames: [],
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
    return { lines: [], bytes: 0, counts: new Map(), openedAt: monotonic(), ticket, settle: resolve }
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
  const add = ({ partition, tenant, line, traceparent }: FrameEvent): FrameTicket | NotTaken => {
    const bytes = Buffer.byteLength(line) + 1
    if (closed) return 'CLOSED'
    if (waiting + bytes > waitingLimit) return 'FULL'
    const lane = lanes[partition]
    const frame = openFrame(lane, bytes)
    frame.lines.push(line)
    frame.bytes += bytes
    frame.counts.set(tenant, (frame.counts.get(tenant) ?? 0) + 1)
    frame.traceparent ??= traceparent
    waiting += bytes
    if (!lane.sending && !lane.scheduled) {
      lane.scheduled = true
      // After the events of this request, and of all others that came in the same turn of the event loop.
      setImmediate(() => {
        lane.scheduled = false
        void drainLane(lane)
      })
    }
    return frame.ticket
  }

  const drainLane = async (lane: Lane): Promise<void> => {
    lane.sending = true
    for (let frame = lane.frames[0]; frame; frame = lane.frames[0]) {
      const outcome = await send(lane.partition, frame)
      lane.frames.shift()
      waiting -= frame.bytes
      metrics.waitingBytes.set(waiting)
      frame.settle(outcome)
    }
    lane.sending = false
    if (isIdle()) for (const listener of idleListeners) listener()
  }

  const send = async (partition: number, frame: Frame): Promise<FrameOutcome> => {
    const startedAt = monotonic()
    const left = deadlineMs - (startedAt - frame.openedAt)
    if (left <= 0) return failed(partition, 'expired', 'it waited too long for its turn')
    const { counts, traceparent } = frame
    const data = Buffer.from(frame.lines.join('\n'))
    const messageId = `${processId}-${partition}-${number++}`
    try {
      const sequence = await log.append(
        { partition, messageId, data, counts, ...(traceparent && { traceparent }) },
        left,
      )
      metrics.frames.inc({ outcome: 'acknowledged' })
      metrics.frameBytes.inc(data.length)
      metrics.frameEvents.observe(frame.lines.length)
      metrics.ackSeconds.observe((monotonic() - startedAt) / 1000)
      return { acknowledged: true, sequence }
    } catch (error) {
      return failed(partition, 'failed', error instanceof Error ? error.message : String(error))
    }
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
    if (isIdle()) return true
    const { promise, resolve } = Promise.withResolvers<void>()
    idleListeners.add(resolve)
    const timer = setTimeout(resolve, limitMs)
    await promise
    clearTimeout(timer)
    idleListeners.delete(resolve)
    return isIdle()
  }

  return { add, drain, waitingBytes: () => waiting }
}
