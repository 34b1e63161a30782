import type { ErrorCode } from './codes.ts'
import type { WireReader, WireWriter } from './wire.ts'

export interface FetchRequest {
  /** Longest wait for `minBytes`, milliseconds. */
  maxWaitMs: number
  minBytes: number
  maxBytes: number
  topics: { topic: string; partitions: FetchPosition[] }[]
}

export interface FetchPosition {
  partition: number
  offset: number
  maxBytes: number
}

export interface FetchedPartition {
  partition: number
  error: ErrorCode
  /** The offset behind the last record: -1 where it is not known, and the start as well. */
  end: number
  start: number
  batches: readonly Buffer[]
}

export interface FetchedTopic {
  topic: string
  partitions: FetchedPartition[]
}

const readPosition = (reader: WireReader, version: number): FetchPosition => {
  const partition = reader.int32()
  if (version >= 9) reader.int32() // leader epoch
  const offset = reader.int64()
  if (version >= 5) reader.int64() // the client's own start of the log
  return { partition, offset, maxBytes: reader.int32() }
}

/** What follows the topics (forgotten ones of a session, the client's rack) says nothing to this server. */
export const readFetchRequest = (reader: WireReader, version: number): FetchRequest => {
  reader.int32() // replica
  const [maxWaitMs, minBytes, maxBytes] = [reader.int32(), reader.int32(), reader.int32()]
  reader.int8() // isolation: all is committed
  if (version >= 7) reader.bytes(8) // fetch session
  const topics = reader.array(6, () => ({
    topic: reader.string(),
    partitions: reader.array(16, () => readPosition(reader, version)),
  }))
  return { maxWaitMs, minBytes, maxBytes, topics }
}

/** Session 0: there are none, so clients name every partition each time. */
export const writeFetch = (writer: WireWriter, version: number, topics: readonly FetchedTopic[]): void => {
  writer.int32(0)
  if (version >= 7) writer.int16(0).int32(0)
  writer.array(topics, ({ topic, partitions }) => {
    writer.string(topic)
    writer.array(partitions, ({ partition, error, end, start, batches }) => {
      writer.int32(partition).int16(error)
      // The second one is the last stable offset: there are no transactions.
      writer.int64(end).int64(end)
      if (version >= 5) writer.int64(start)
      writer.int32(-1) // no transactions were aborted
      if (version >= 11) writer.int32(-1) // no other replica is nearer
      writer.int32(batches.reduce((sum, batch) => sum + batch.length, 0))
      for (const batch of batches) writer.append(batch)
    })
  })
}
