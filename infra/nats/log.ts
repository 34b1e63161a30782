import type { LogWriter, OutgoingFrame } from '#gateway/ports.ts'
import { LogHole, NewerFormat, type PartitionLog } from '#processors/ports.ts'
import { MillraceError } from '#schema/errors.ts'
import {
  type ControlRecord,
  decodeCounts,
  encodeCounts,
  FRAME_FORMAT,
  type FrameKind,
  type LogMessage,
} from '#schema/frame.ts'
import { decodeReceived, encodeReceived, encodeRefused, type Received, receivedMinute } from '#schema/ledger.ts'
import { HEADERS, logStream, logSubject } from '#schema/subjects.ts'
import { onlyTrace, type TraceHeaders } from '#schema/trace.ts'
import type { Broker, Headers, StoredMessage } from './broker.ts'
import { consumeOnce, pause } from './follow.ts'

const PUBLISH_TIMEOUT_MS = 3_000
/** The durable consumer shows lag to operators; position is the checkpoint's. */
const CONSUMER = 'processor'
const encoder = new TextEncoder()

const frameHeaders = (kind: FrameKind, messageId?: string): Headers => ({
  [HEADERS.format]: String(FRAME_FORMAT),
  [HEADERS.kind]: kind,
  ...(messageId ? { 'Nats-Msg-Id': messageId } : {}),
})

/** Publishes until acknowledged or the deadline is over. The message id makes every repetition one message. */
const publishUntil = async (
  broker: Broker,
  subject: string,
  data: Uint8Array,
  headers: Headers,
  deadlineMs: number,
): Promise<number> => {
  const giveUpAt = performance.now() + deadlineMs
  for (let wait = 50; ; wait = Math.min(wait * 2, 1_000)) {
    try {
      const timeout = Math.max(100, Math.min(PUBLISH_TIMEOUT_MS, giveUpAt - performance.now()))
      const ack = await broker.publish(subject, data, headers, timeout)
      if (ack) return ack.seq
      throw new Error('the log answered without an acknowledgement')
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

const receivedHeaders = (slots: readonly Received[]): Headers => {
  const [received, refused] = [encodeReceived(slots), encodeRefused(slots)]
  return {
    ...(received === '' ? {} : { [HEADERS.received]: received }),
    ...(refused === '' ? {} : { [HEADERS.refused]: refused }),
  }
}

export const createLogWriter = (broker: Broker): LogWriter => ({
  append(frame: OutgoingFrame, deadlineMs: number) {
    const headers = {
      ...frameHeaders('events', frame.messageId),
      [HEADERS.counts]: encodeCounts(frame.counts),
      ...(frame.received ? receivedHeaders(frame.received) : {}),
      ...onlyTrace(frame),
    }
    return publishUntil(broker, logSubject(frame.partition), frame.data, headers, deadlineMs)
  },
  appendControl: (partition, record, messageId) => appendControl(broker, partition, record, messageId),
})

const CONTROL_DEADLINE_MS = 10_000

const appendControl = (broker: Broker, partition: number, record: ControlRecord, messageId?: string): Promise<number> =>
  publishUntil(
    broker,
    logSubject(partition),
    encoder.encode(JSON.stringify(record)),
    frameHeaders('control', messageId),
    CONTROL_DEADLINE_MS,
  )

/** A frame that was written before there were minutes of receipt counts in the minute in which it was stored. */
const receivedOf = (message: StoredMessage): Received[] => {
  const received = message.header(HEADERS.received)
  const refused = message.header(HEADERS.refused)
  if (received !== '' || refused !== '') return decodeReceived(received, refused)
  const minute = receivedMinute(message.storedAt)
  return decodeCounts(message.header(HEADERS.counts)).map(([tenant, accepted]) => ({
    tenant,
    minute,
    accepted,
    rejected: 0,
    shed: 0,
  }))
}

/** Where a message stands in a trace. */
export const traceOfMessage = (message: StoredMessage): TraceHeaders =>
  onlyTrace({ traceparent: message.header(HEADERS.traceparent), tracestate: message.header(HEADERS.tracestate) })

/** What a message of the log is. Refuses a format that is newer than this code. */
export const kindOf = (message: StoredMessage): FrameKind => {
  const format = Number(message.header(HEADERS.format) || FRAME_FORMAT)
  if (format > FRAME_FORMAT) {
    throw new NewerFormat(
      `message ${message.seq} of the log has format ${format}; this version reads up to ${FRAME_FORMAT}`,
    )
  }
  return message.header(HEADERS.kind) === 'control' ? 'control' : 'events'
}

/** A message of the log as its readers see it. Refuses a format that is newer than this code. */
export const toLogMessage = (message: StoredMessage): LogMessage => {
  const kind = kindOf(message)
  return {
    sequence: message.seq,
    storedAt: message.storedAt,
    kind,
    ...(kind === 'events' ? { received: receivedOf(message) } : {}),
    ...traceOfMessage(message),
    data: message.data,
  }
}

export const createPartitionLog = (broker: Broker, partition: number): PartitionLog => {
  const stream = logStream(partition)
  return {
    range: () => broker.range(stream),
    append: (record) => appendControl(broker, partition, record),
    async *read(sequence, signal) {
      const { first } = await broker.range(stream)
      if (first > sequence) throw new LogHole(partition, sequence, first - 1)
      let next = sequence
      const from = async () => ({ start: next, durable: CONSUMER })
      for await (const message of consumeOnce(broker, stream, from, signal)) {
        if (message.seq < next) continue
        // Something was delivered to a connection that had just gone: the caller reads again from where it was.
        if (message.seq > next) return
        next++
        yield toLogMessage(message)
      }
    },
  }
}
