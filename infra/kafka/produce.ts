import { ERROR } from './codes.ts'
import { Malformed } from './refusal.ts'
import type { WireReader, WireWriter } from './wire.ts'

interface ProduceRequest {
  /** With 0 acknowledgements the client waits for no answer. */
  acks: number
  topics: { topic: string; partitions: number[] }[]
}

export const readProduceRequest = (reader: WireReader): ProduceRequest => {
  reader.nullableString() // transaction
  const acks = reader.int16()
  reader.int32() // time-out
  const topics = reader.array(6, () => ({
    topic: reader.string(),
    partitions: reader.array(8, () => {
      const partition = reader.int32()
      const length = reader.int32()
      if (length < -1) throw new Malformed(`expected a length of records, found ${length}`)
      reader.bytes(Math.max(0, length))
      return partition
    }),
  }))
  return { acks, topics }
}

/** Nobody may write: the log has its own door. */
export const writeProduceRefusal = (writer: WireWriter, { topics }: ProduceRequest): void => {
  writer.array(topics, ({ topic, partitions }) => {
    writer.string(topic)
    writer.array(partitions, (partition) => {
      writer.int32(partition).int16(ERROR.topicAuthorizationFailed).int64(-1).int64(-1)
    })
  })
  writer.int32(0)
}
