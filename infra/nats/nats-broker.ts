import {
  AckPolicy,
  type Consumer,
  DeliverPolicy,
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  type JsMsg,
  type StoredMsg,
} from '@nats-io/jetstream'
import type { Kvm } from '@nats-io/kv'
import { headers, InvalidArgumentError, type MsgHdrs, type NatsConnection, nanos } from '@nats-io/transport-node'
import {
  type Ack,
  type Broker,
  type ConsumeOptions,
  type Delivery,
  Refused,
  type StoredMessage,
  Unsendable,
} from './broker.ts'
import { readBatch } from './direct-batch.ts'
import { openBucket } from './nats-bucket.ts'
import { createPulls } from './pulls.ts'
import { createRequests } from './requests.ts'

const NO_MESSAGE = 10037
const decoder = new TextDecoder()
/** Of one consumer: what has come and was not read. */
const BUFFER_BYTES = 8_000_000
const INACTIVE_MS = 60_000

const toHeaders = (values: Readonly<Record<string, string>>): MsgHdrs => {
  const set = headers()
  for (const [name, value] of Object.entries(values)) set.set(name, value)
  return set
}

const stored = (
  { subject, seq, data }: { subject: string; seq: number; data: Uint8Array },
  set: MsgHdrs | undefined,
  storedAt: number,
): StoredMessage => ({ subject, seq, storedAt, data, header: (name) => set?.get(name) ?? '' })

const fromStored = (message: StoredMsg): StoredMessage => stored(message, message.header, message.time.getTime())
const fromConsumer = (message: JsMsg): StoredMessage =>
  stored(message, message.headers, Math.floor(message.info.timestampNanos / 1e6))

/** Answers of the API as they are meant: no message is null, no is Refused, and everything else is not known. */
const asked = async <T>(question: () => Promise<T>): Promise<T> => {
  try {
    return await question()
  } catch (error) {
    if (error instanceof JetStreamApiError) throw new Refused(error.code, error.message)
    // A mistake in the code, which no repetition mends.
    if (error instanceof InvalidArgumentError) throw new TypeError(error.message, { cause: error })
    throw error
  }
}
const orNull = async (question: () => Promise<StoredMsg | null>): Promise<StoredMessage | null> => {
  try {
    const message = await asked(question)
    return message && fromStored(message)
  } catch (error) {
    if (error instanceof Refused && error.code === NO_MESSAGE) return null
    throw error
  }
}

interface Answer {
  error?: { err_code: number; description: string }
  seq?: number
  duplicate?: boolean
}

const toAck = ({ error, seq = 0, duplicate = false }: Answer): Ack => {
  if (error) throw new Refused(error.err_code, error.description)
  return { seq, duplicate }
}

/** What the connection does not take, or did not. */
const untaken = (error: unknown): unknown =>
  error instanceof InvalidArgumentError ? new Unsendable(error.message, { cause: error }) : error

/** The durable consumer shows lag to operators; position is the checkpoint's, so it is made anew at every start. */
const remade = async (
  js: JetStreamClient,
  jsm: JetStreamManager,
  stream: string,
  durable: string,
  start: number,
): Promise<Consumer> => {
  await jsm.consumers.delete(stream, durable).catch((error: unknown) => {
    if (!(error instanceof JetStreamApiError)) throw error
  })
  await jsm.consumers.add(stream, {
    durable_name: durable,
    ack_policy: AckPolicy.None,
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: start,
  })
  return js.consumers.get(stream, durable)
}

const deliver = (consumer: Consumer): Delivery => {
  const pulls = createPulls(consumer, { mostBytes: BUFFER_BYTES })
  return {
    stop: pulls.stop,
    async *[Symbol.asyncIterator]() {
      for await (const message of pulls) yield fromConsumer(message)
    },
  }
}

/** A consumer of one reader: it goes when nobody has asked it for so long. */
const ephemeral = async (
  js: JetStreamClient,
  jsm: JetStreamManager,
  stream: string,
  { start, filters, headersOnly }: ConsumeOptions,
): Promise<Consumer> => {
  const { name } = await jsm.consumers.add(stream, {
    ack_policy: AckPolicy.None,
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: start,
    filter_subjects: filters ? [...filters] : undefined,
    headers_only: headersOnly,
    mem_storage: true,
    num_replicas: 1,
    inactive_threshold: nanos(INACTIVE_MS),
  })
  return js.consumers.get(stream, name)
}

/** Broker on a real connection. */
export const createNatsBroker = (nc: NatsConnection, js: JetStreamClient, jsm: JetStreamManager, kvm: Kvm): Broker => {
  const request = createRequests(nc)
  return {
    async publish(subject, data, values, timeout) {
      const reply = await request(subject, data, toHeaders(values), timeout).catch((error: unknown) => {
        throw untaken(error)
      })
      return reply.length === 0 ? null : toAck(JSON.parse(decoder.decode(reply)) as Answer)
    },
    send(subject, data, values) {
      try {
        nc.publish(subject, data, { headers: toHeaders(values) })
      } catch (error) {
        throw untaken(error)
      }
    },
    async range(stream) {
      const { state, created } = await asked(() => jsm.streams.info(stream))
      return { first: state.first_seq, last: state.last_seq, bytes: state.bytes, made: String(created) }
    },
    async subjects(stream, filter) {
      const { state } = await asked(() => jsm.streams.info(stream, { subjects_filter: filter }))
      return Object.keys(state.subjects ?? {})
    },
    last: (stream, subject) => orNull(() => jsm.streams.getMessage(stream, { last_by_subj: subject })),
    lastCopy: (stream, subject) => orNull(() => jsm.direct.getMessage(stream, { last_by_subj: subject })),
    next: (stream, subject, sequence) =>
      orNull(() => jsm.streams.getMessage(stream, { seq: sequence, next_by_subj: subject } as never)),
    async *batch(stream, sequence, count, { filter, bytes } = {}) {
      const query = { seq: sequence, batch: count, next_by_subj: filter, max_bytes: bytes }
      for await (const message of readBatch(jsm, stream, query)) yield fromStored(message)
    },
    async purge(stream, filter, before) {
      await asked(() => jsm.streams.purge(stream, { filter, ...(before === undefined ? {} : { seq: before }) }))
    },
    consume: (stream, options) =>
      asked(async () => {
        const { durable, start } = options
        const consumer =
          durable === undefined ? ephemeral(js, jsm, stream, options) : remade(js, jsm, stream, durable, start)
        return deliver(await consumer)
      }),
    bucket: (name) => openBucket(kvm, name),
    notify: (subject, text) => nc.publish(subject, text),
    listen(subject, onText) {
      const subscription = nc.subscribe(subject, {
        callback: (error, message) => {
          if (!error) onText(message.string())
        },
      })
      return { stop: () => subscription.unsubscribe() }
    },
    isClosed: () => nc.isClosed(),
  }
}
