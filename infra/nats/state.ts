import { randomUUID } from 'node:crypto'
import { type CheckpointBatch, Fenced, NewerFormat, type StateStore, type StoredHead } from '#processors/ports.ts'
import { type Head, STATE_FORMAT } from '#schema/checkpoint.ts'
import { type Kept, RETENTION } from '#schema/limits.ts'
import { decodeSegment } from '#schema/segment.ts'
import {
  aggregatesSubject,
  HEAD_KEY,
  HEADERS,
  lateSubject,
  segmentKey,
  settledSubject,
  stateKey,
  stateStream,
} from '#schema/subjects.ts'
import { onlyTrace } from '#schema/trace.ts'
import { type Broker, type Headers, Refused, Unsendable } from './broker.ts'
import { patiently, pause } from './follow.ts'

const REQUEST_TIMEOUT_MS = 2_000
/** A server that refuses the same write this often, with the head where it was, will never take it. */
const MOST_REFUSALS = 20
const seconds = (ms: number): string => `${Math.round(ms / 1000)}s`
const encoder = new TextEncoder()
const decoder = new TextDecoder()
const json = (value: unknown): Uint8Array => encoder.encode(JSON.stringify(value))

interface BatchMessage {
  subject: string
  data: Uint8Array
  ttl: string
  headers?: Headers
}

/** Messages of one checkpoint in their order: state, outputs, settlement, head. The head's compare-and-set decides. */
const messagesOf = (partition: number, batch: CheckpointBatch, revision: number, kept: Kept): BatchMessage[] => {
  const checkpoint = { [HEADERS.checkpoint]: String(batch.head.checkpoint) }
  const messages: BatchMessage[] = []
  batch.segment?.chunks.forEach((data, i) => {
    messages.push({ subject: stateKey(partition, segmentKey(0, batch.segment!.ref.id, i)), data, ttl: 'never' })
  })
  for (const { tenant, metric, data } of batch.aggregates) {
    const subject = aggregatesSubject(tenant, metric, partition)
    messages.push({ subject, data, ttl: seconds(kept.aggregates), headers: checkpoint })
  }
  for (const { tenant, data } of batch.late) {
    const subject = lateSubject(tenant, partition)
    messages.push({ subject, data, ttl: seconds(kept.lateEvents), headers: checkpoint })
  }
  messages.push({
    subject: settledSubject(partition),
    data: json(batch.settlement),
    ttl: seconds(kept.settlements),
    headers: { ...checkpoint, ...onlyTrace(batch) },
  })
  messages.push(headMessage(partition, batch.head, revision))
  return messages
}

const headMessage = (partition: number, head: Head, revision: number): BatchMessage => ({
  subject: stateKey(partition, HEAD_KEY),
  data: json(head),
  ttl: 'never',
  headers: { 'Nats-Expected-Last-Subject-Sequence': String(revision), 'Nats-Rollup': 'sub' },
})

const headersOf = (message: BatchMessage, extra: Headers = {}): Headers => ({
  'Nats-TTL': message.ttl,
  ...message.headers,
  ...extra,
})

/** Sends one atomic batch; answers the sequence of its last message. Throws when it was refused or is unknown. */
const publishBatch = async (broker: Broker, messages: BatchMessage[]): Promise<number> => {
  const id = randomUUID()
  let sequence = 0
  for (const [i, message] of messages.entries()) {
    const last = i === messages.length - 1
    const headers = headersOf(message, {
      'Nats-Batch-Id': id,
      'Nats-Batch-Sequence': String(i + 1),
      ...(last ? { 'Nats-Batch-Commit': '1' } : {}),
    })
    // Answers come for the first (is the batch open?) and for the last (is it committed?).
    if (i > 0 && !last) {
      broker.send(message.subject, message.data, headers)
      continue
    }
    const ack = await broker.publish(message.subject, message.data, headers, REQUEST_TIMEOUT_MS)
    sequence = ack?.seq ?? sequence
  }
  if (sequence === 0) throw new Error('the batch was not acknowledged')
  return sequence
}

/** Window state of one partition in KV bucket window_state_<p>, written by atomic batches. */
export const createStateStore = (broker: Broker, partition: number, kept: Kept = RETENTION): StateStore => {
  const stream = stateStream(partition)

  const read = (key: string) => patiently(() => broker.last(stream, stateKey(partition, key)))
  const store = async (message: BatchMessage): Promise<number> => {
    const ack = await broker.publish(message.subject, message.data, headersOf(message), REQUEST_TIMEOUT_MS)
    if (!ack) throw new Error(`${message.subject} was answered without an acknowledgement`)
    return ack.seq
  }

  const head = async (): Promise<StoredHead> => {
    const message = await read(HEAD_KEY)
    if (!message) return { head: null, revision: 0 }
    const stored = JSON.parse(decoder.decode(message.data)) as Head
    if (stored.format > STATE_FORMAT) {
      throw new NewerFormat(
        `state of partition ${partition} has format ${stored.format}; this version reads up to ${STATE_FORMAT}: start the newer version`,
      )
    }
    return { head: stored, revision: message.seq }
  }

  /** Writes until the outcome is known: a lost answer is told apart from a refusal by reading the head. */
  const write = async (wanted: Head, revision: number, attempt: () => Promise<number>): Promise<number> => {
    let refusals = 0
    for (let wait = 20; ; wait = Math.min(wait * 2, 1_000)) {
      try {
        return await attempt()
      } catch (error) {
        if (error instanceof Unsendable || (error instanceof Refused && ++refusals >= MOST_REFUSALS)) throw error
        const now = await headWhenReachable()
        if (now.head?.nonce === wanted.nonce) return now.revision
        if (now.revision !== revision) {
          throw new Fenced(partition, `epoch ${now.head?.epoch} of ${now.head?.owner}, own epoch ${wanted.epoch}`)
        }
        await pause(wait)
      }
    }
  }

  const headWhenReachable = async (): Promise<StoredHead> => {
    for (;;) {
      try {
        return await head()
      } catch (error) {
        if (broker.isClosed() || error instanceof NewerFormat) throw error
        await pause(200)
      }
    }
  }

  return {
    head,
    claim: (wanted, revision) => write(wanted, revision, () => store(headMessage(partition, wanted, revision))),
    commit: (batch, revision) =>
      write(batch.head, revision, () => publishBatch(broker, messagesOf(partition, batch, revision, kept))),
    async readChunk(ref, number) {
      const key = segmentKey(ref.level, ref.id, number)
      // It never changes, so whichever replica has it is right.
      const message = (await patiently(() => broker.lastCopy(stream, stateKey(partition, key)))) ?? (await read(key))
      if (!message) throw new Error(`segment ${ref.id} of partition ${partition} lacks chunk ${number}`)
      return decodeSegment([message.data])
    },
    async writeSegment(ref, chunks) {
      let last = 0
      for (const [i, data] of chunks.entries()) {
        last = await store({ subject: stateKey(partition, segmentKey(ref.level, ref.id, i)), data, ttl: 'never' })
      }
      return last
    },
    async dropLevel(level, before) {
      await broker.purge(stream, stateKey(partition, segmentKey(level, '*', '*')), before)
    },
    async dropOrphans(keep, before) {
      const named = new Set(keep.map((ref) => stateKey(partition, segmentKey(ref.level, ref.id, '*')).slice(0, -1)))
      for (const subject of await patiently(() => broker.subjects(stream, stateKey(partition, 'segment.>')))) {
        const segment = subject.slice(0, subject.lastIndexOf('.') + 1)
        if (!named.has(segment)) await patiently(() => broker.purge(stream, subject, before))
      }
    },
  }
}
