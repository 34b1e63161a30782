import type { BatchOptions, Broker, StoredMessage } from '#infra/nats/broker.ts'
import { behindSettlements } from '#infra/nats/settlements.ts'
import { settledSubject, stateStream } from '#schema/subjects.ts'
import type { ByteBudget } from './byte-budget.ts'
import { encodeRecord, type RecordEntry } from './record-batch.ts'
import { type Settled, toSettled, wantedParts } from './settled.ts'
import { endOf, type Topic } from './topics.ts'

/** Of one question to the broker. */
const SETTLEMENTS = 256
const SETTLEMENT_BYTES = 500_000
const MESSAGES = 1_000
/** By which an answer may be larger than what was asked for. */
const MOST_MESSAGE_BYTES = 1_000_000
/** Longest wait for others' questions. */
const TURN_MS = 20_000
/** Of readers that go on where they were. */
const MOST_PLACES = 256

/** A connection to NATS, and a bound on what is asked by it and has not come. */
export interface Asker {
  broker: Broker
  asked: ByteBudget
}

/** Where in the state's stream the settlements for an offset begin, and the number of the one before them. */
interface Place {
  at: number
  /** Null: there is none before them. */
  checkpoint: number | null
}

export interface Records {
  entries: RecordEntry[]
  /** All before it has been looked at. */
  next: number
}

/**
 * Reads a partition of a topic from the streams, judged by the settlements. What should be there and is not is never
 * passed over: the leader is asked, and where it has gone the answer is null.
 */
export const createSettledReader = ({ broker, asked }: Asker, topic: Topic, partition: number) => {
  const { source } = topic
  const [stream, filter] = [source.stream(partition), source.filter(partition)]
  const [state, subject] = [stateStream(partition), settledSubject(partition)]
  const places = new Map<number, Place>()

  /** One question at a time for so much memory, of all readers. */
  const ask = async (from: string, sequence: number, count: number, options: Required<BatchOptions>) => {
    const lease = await asked.take(options.bytes + MOST_MESSAGE_BYTES, TURN_MS)
    if (!lease) throw new Error('there was no turn to ask NATS')
    const messages: StoredMessage[] = []
    try {
      for await (const message of broker.batch(from, sequence, count, options)) messages.push(message)
    } finally {
      lease.release()
    }
    return messages
  }

  const remember = (offset: number, place: Place): void => {
    places.delete(offset)
    places.set(offset, place)
    if (places.size > MOST_PLACES) places.delete(places.keys().next().value!)
  }

  const locate = async (offset: number): Promise<Place> => {
    const known = places.get(offset)
    if (known) return known
    let [at, checkpoint]: [number, number | null] = [0, null]
    const start = await behindSettlements(broker, partition, (message) => {
      const settled = toSettled(message)
      const isBefore = endOf(topic, settled) <= offset
      if (isBefore && settled.at > at) [at, checkpoint] = [settled.at, settled.settlement.checkpoint]
      return isBefore
    })
    return { at: start, checkpoint }
  }

  /** In order and without a hole; empty when there is nothing that can be said of the offset. */
  const settlementsFor = async (offset: number): Promise<Settled[]> => {
    const place = await locate(offset)
    const found: Settled[] = []
    for (const message of await ask(state, place.at, SETTLEMENTS, { filter: subject, bytes: SETTLEMENT_BYTES })) {
      const settled = toSettled(message)
      const before = found.at(-1)
      if (before && settled.settlement.checkpoint !== before.settlement.checkpoint + 1) break
      found.push(settled)
    }
    const isNext = ({ settlement }: Settled): boolean => settlement.checkpoint === (place.checkpoint ?? 0) + 1
    if (found.length === 0 || !isNext(found[0])) {
      // A replica may be behind.
      const message = await broker.next(state, subject, place.at)
      if (!message) return []
      if (message.seq !== found[0]?.at) found.splice(0, found.length, toSettled(message))
    }
    // Those before it are gone: it answers for the offsets that it names itself.
    return isNext(found[0]) || source.range(found[0]).from <= offset ? found : []
  }

  /** Records from `offset` on of what these settlements name. */
  const readNamed = async (found: readonly Settled[], offset: number, bytes: number): Promise<Records | null> => {
    const entries: RecordEntry[] = []
    let size = 0
    const add = (message: StoredMessage, { settlement }: Settled): void => {
      const value = topic.render(message, settlement)
      // Where it comes from: whoever keeps its lines can keep their place, as not every reader knows its offset.
      const place = { partition: String(partition), sequence: String(message.seq) }
      if (!value) return
      const entry = encodeRecord(message.seq, message.storedAt, value, place)
      entries.push(entry)
      size += entry.batch.length
    }
    const parts = (settled: Settled) => wantedParts(source.range(settled), source.missing(settled), offset)
    const first = found.flatMap(parts).at(0)?.from
    const messages = first === undefined ? [] : await ask(stream, first, MESSAGES, { filter, bytes })
    let i = 0
    /** One of them, or the leader's own answer where a replica has left it out; undefined: not in this answer. */
    const messageAt = async (seq: number): Promise<StoredMessage | null | undefined> => {
      while (i < messages.length && messages[i].seq < seq) i++
      if (messages[i]?.seq === seq) return messages[i]
      if (i === messages.length && messages.length > 0) return undefined
      const message = await broker.next(stream, filter, seq)
      return message?.seq === seq ? message : null
    }
    for (const settled of found) {
      const here: Place = { at: settled.at, checkpoint: settled.settlement.checkpoint - 1 }
      for (const { from, to } of parts(settled)) {
        for (let seq = from; seq <= to; seq++) {
          const message = await messageAt(seq)
          if (message === null && seq === first && entries.length === 0) return null
          if (message) add(message, settled)
          if (message && size < bytes) continue
          // It is not in this answer, or what is rendered is larger than what it was rendered from.
          const next = message ? seq + 1 : seq
          remember(next, here)
          return { entries, next }
        }
      }
      if (topic.withSettlements) add(settled.message, settled)
    }
    const last = found[found.length - 1]
    const next = Math.max(offset, endOf(topic, last))
    remember(next, { at: last.at + 1, checkpoint: last.settlement.checkpoint })
    return { entries, next }
  }

  return {
    readNamed,
    /** From an offset on that is settled; null: some of what stood there has expired. About `bytes`, one record at least. */
    async read(offset: number, bytes: number): Promise<Records | null> {
      const found = await settlementsFor(offset)
      return found.length === 0 ? null : readNamed(found, offset, bytes)
    },
  }
}
