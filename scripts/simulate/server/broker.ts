import {
  type Ack,
  type Broker,
  type Bucket,
  type BucketEntry,
  type Headers,
  Refused,
  type StoredMessage,
} from '#infra/nats/broker.ts'
import { bucketStream, bucketSubject } from '#infra/nats/watch.ts'
import type { Random } from '#scripts/demo/random.ts'
import type { Connection } from './connection.ts'
import { createDelivery } from './delivery.ts'
import type { SimServer } from './server.ts'

const API_TIMEOUT_MS = 5_000
const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** What a server that is busy may answer to a batch with which nothing is wrong. */
const BUSY = [
  [10199, 'atomic publish batch is too large: 1000'],
  [10210, 'too many inflight atomic publish batches'],
] as const

const toEntry = (name: string, message: StoredMessage): BucketEntry => ({
  key: message.subject.slice(bucketSubject(name, '').length),
  text: message.header('KV-Operation') === '' ? decoder.decode(message.data) : null,
  revision: message.seq,
  storedAt: message.storedAt,
})

/** Broker of one process on its connection to the simulated server. */
export const createSimBroker = (server: SimServer, connection: Connection, random: Random): Broker => {
  const { weather } = connection

  const store = (subject: string, data: Uint8Array, headers: Readonly<Record<string, string>>): Ack | null => {
    const isBatch = headers['Nats-Batch-Id'] !== undefined
    if (isBatch && random.chance(weather.refusals)) {
      const [code, description] = random.pick(BUSY)
      throw new Refused(code, description)
    }
    return server.publish({ subject, data, headers })
  }

  const broker: Broker = {
    publish: (subject, data, headers, timeoutMs) =>
      connection.ask(() => store(subject, data, headers), timeoutMs, true),
    send: (subject, data, headers) =>
      connection.send(true, () => {
        try {
          store(subject, data, headers)
        } catch {
          // Nobody waits for the answer.
        }
      }),
    range: (stream) => connection.ask(() => server.stream(stream).range(server.now()), API_TIMEOUT_MS),
    subjects: (stream, filter) => connection.ask(() => server.stream(stream).subjects(filter), API_TIMEOUT_MS),
    last: (stream, subject) => connection.ask(() => server.stream(stream).last(subject), API_TIMEOUT_MS),
    lastCopy: (stream, subject) => {
      // A replica that is behind has nothing.
      const read = () => (random.chance(0.1) ? null : server.stream(stream).last(subject))
      return connection.ask(read, API_TIMEOUT_MS)
    },
    next: (stream, subject, sequence) =>
      connection.ask(() => server.stream(stream).next([subject], sequence), API_TIMEOUT_MS),
    async *batch(stream, sequence, count, { filter = '>', bytes = Number.POSITIVE_INFINITY } = {}) {
      const read = (): StoredMessage[] => {
        const found: StoredMessage[] = []
        let left = bytes
        for (let seq = sequence; found.length < count; seq = found[found.length - 1].seq + 1) {
          const message = server.stream(stream).next([filter], seq)
          if (!message) break
          found.push(message)
          left -= message.data.length
          if (left <= 0) break
        }
        return found
      }
      const found = await connection.ask(read, API_TIMEOUT_MS)
      // A replica that is behind, or an answer of which only the beginning came.
      const most = random.chance(weather.lostAnswers) ? random.whole(0, found.length) : found.length
      yield* found.slice(0, most)
    },
    purge: (stream, filter, before) =>
      connection.ask(() => server.stream(stream).purge(filter, before), API_TIMEOUT_MS),
    async consume(stream, { start, filters = [], durable, headersOnly = false }) {
      const make = (from: number) => server.consumer(stream, from, filters, durable)
      const consumer = await connection.ask(() => make(start), API_TIMEOUT_MS)
      const again = (afterSeq: number) =>
        durable === undefined ? make(Math.max(start, afterSeq + 1)) : server.durable(stream, durable)
      return createDelivery({ connection, random, consumer, headersOnly, again })
    },
    bucket: async (name) => createBucket(broker, name),
    notify: (subject, text) => connection.send(true, () => server.notify(subject, text)),
    listen(subject, onText) {
      const hear = (text: string): void => {
        if (!connection.isUp()) return
        const sentIn = connection.epoch()
        connection.process.after(connection.delay(), () => {
          if (sentIn === connection.epoch()) onText(text)
        })
      }
      const stop = server.listen(subject, hear)
      connection.process.onEnd(stop)
      return { stop }
    },
    isClosed: () => false,
  }
  return broker
}

/** A KV bucket as the client library makes one of a stream with one message a subject. */
const createBucket = (broker: Broker, name: string): Bucket => {
  const stream = bucketStream(name)
  const subject = (key: string): string => bucketSubject(name, key)
  const write = async (key: string, text: string, headers: Headers, timeoutMs = API_TIMEOUT_MS): Promise<number> =>
    (await broker.publish(subject(key), encoder.encode(text), headers, timeoutMs))!.seq
  const expecting = (revision: number) => ({ 'Nats-Expected-Last-Subject-Sequence': String(revision) })
  const get: Bucket['get'] = async (key) => {
    const message = await broker.last(stream, subject(key))
    return message && toEntry(name, message)
  }
  return {
    get,
    put: (key, text, timeoutMs) => write(key, text, {}, timeoutMs),
    async create(key, text) {
      try {
        return await write(key, text, expecting(0))
      } catch (error) {
        const entry = error instanceof Refused ? await get(key) : null
        if (entry?.text === null) return write(key, text, expecting(entry.revision))
        throw error
      }
    },
    update: (key, text, revision, timeoutMs) => write(key, text, expecting(revision), timeoutMs),
    async delete(key) {
      await write(key, '', { 'KV-Operation': 'DEL' })
    },
  }
}
