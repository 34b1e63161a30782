import { AckPolicy, type Consumer, DeliverPolicy, JetStreamApiError, type JsMsg, type PubAck } from '@nats-io/jetstream'
import { headers, type MsgHdrs } from '@nats-io/transport-node'
import type { LogWriter, OutgoingFrame } from '#gateway/ports.ts'
import { LogHole, type PartitionLog } from '#processors/ports.ts'
import { MillraceError } from '#schema/errors.ts'
import { type ControlRecord, encodeCounts, FRAME_FORMAT, type FrameKind, type LogMessage } from '#schema/frame.ts'
import { HEADERS, logStream, logSubject } from '#schema/subjects.ts'
import type { Nats } from './connect.ts'
import { consumeOnce, pause } from './follow.ts'

const PUBLISH_TIMEOUT_MS = 3_000
const CONSUMER = 'processor'
const encoder = new TextEncoder()

const frameHeaders = (kind: FrameKind, messageId?: string): MsgHdrs => {
  const set = headers()
  set.set(HEADERS.format, String(FRAME_FORMAT))
  set.set(HEADERS.kind, kind)
  if (messageId) set.set('Nats-Msg-Id', messageId)
  return set
}

/** Publishes until acknowledged or the deadline is over. The message id makes every repetition one message. */
const publishUntil = async (
  nats: Nats,
  subject: string,
  data: Uint8Array,
  set: MsgHdrs,
  deadlineMs: number,
): Promise<number> => {
  const giveUpAt = performance.now() + deadlineMs
  for (let wait = 50; ; wait = Math.min(wait * 2, 1_000)) {
    try {
      const timeout = Math.max(100, Math.min(PUBLISH_TIMEOUT_MS, giveUpAt - performance.now()))
      const ack: PubAck = await nats.js.publish(subject, data, { headers: set, timeout })
      return ack.seq
    } catch (error) {
      if (performance.now() + wait >= giveUpAt) {
        throw new MillraceError(
          'UNAVAILABLE',
          'the log did not acknowledge in time; send the same events again',
          {},
          { cause: error },
        )
      }
      await pause(wait)
    }
  }
}

export const createLogWriter = (nats: Nats): LogWriter => ({
  append(frame: OutgoingFrame, deadlineMs: number) {
    const set = frameHeaders('events', frame.messageId)
    set.set(HEADERS.counts, encodeCounts(frame.counts))
    if (frame.traceparent) set.set(HEADERS.traceparent, frame.traceparent)
    return publishUntil(nats, logSubject(frame.partition), frame.data, set, deadlineMs)
  },
  appendControl: (partition, record, messageId) => appendControl(nats, partition, record, messageId),
})

const CONTROL_DEADLINE_MS = 10_000

const appendControl = (nats: Nats, partition: number, record: ControlRecord, messageId?: string): Promise<number> =>
  publishUntil(
    nats,
    logSubject(partition),
    encoder.encode(JSON.stringify(record)),
    frameHeaders('control', messageId),
    CONTROL_DEADLINE_MS,
  )

/** A message of the log as its readers see it. Refuses a format that is newer than this code. */
export const toLogMessage = (message: {
  seq: number
  headers?: MsgHdrs
  data: Uint8Array
  storedAt: number
}): LogMessage => {
  const format = Number(message.headers?.get(HEADERS.format) ?? FRAME_FORMAT)
  if (format > FRAME_FORMAT) {
    throw new Error(`message ${message.seq} of the log has format ${format}; this version reads up to ${FRAME_FORMAT}`)
  }
  const traceparent = message.headers?.get(HEADERS.traceparent)
  return {
    sequence: message.seq,
    storedAt: message.storedAt,
    kind: message.headers?.get(HEADERS.kind) === 'control' ? 'control' : 'events',
    ...(traceparent ? { traceparent } : {}),
    data: message.data,
  }
}

const fromConsumer = (message: JsMsg): LogMessage =>
  toLogMessage({
    seq: message.seq,
    headers: message.headers,
    data: message.data,
    storedAt: Math.floor(message.info.timestampNanos / 1e6),
  })

/** The durable consumer shows lag to operators; position is the checkpoint's, so it is made anew at every start. */
const remakeConsumer = async (nats: Nats, stream: string, sequence: number): Promise<Consumer> => {
  await nats.jsm.consumers.delete(stream, CONSUMER).catch((error: unknown) => {
    if (!(error instanceof JetStreamApiError)) throw error
  })
  await nats.jsm.consumers.add(stream, {
    durable_name: CONSUMER,
    ack_policy: AckPolicy.None,
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: sequence,
  })
  return nats.js.consumers.get(stream, CONSUMER)
}

export const createPartitionLog = (nats: Nats, partition: number): PartitionLog => {
  const stream = logStream(partition)
  const range = async (): Promise<{ first: number; last: number }> => {
    const { state } = await nats.jsm.streams.info(stream)
    return { first: state.first_seq, last: state.last_seq }
  }
  return {
    range,
    append: (record) => appendControl(nats, partition, record),
    async *read(sequence, signal) {
      const { first } = await range()
      if (first > sequence) throw new LogHole(partition, sequence, first - 1)
      let next = sequence
      for await (const message of consumeOnce(nats, stream, () => remakeConsumer(nats, stream, next), signal)) {
        if (message.seq < next) continue
        // Something was delivered to a connection that had just gone: the caller reads again from where it was.
        if (message.seq > next) return
        next++
        yield fromConsumer(message)
      }
    },
  }
}
