import type { ErrorCode } from './codes.ts'
import type { WireReader, WireWriter } from './wire.ts'

/** Times that mean a place. */
export const LATEST = -1
export const EARLIEST = -2

export interface OffsetQuestion {
  topic: string
  /** `timestamp`: LATEST, EARLIEST, or milliseconds since 1970. */
  partitions: { partition: number; timestamp: number }[]
}

export interface OffsetAnswer {
  topic: string
  /** -1 where there is none. */
  partitions: { partition: number; error: ErrorCode; timestamp: number; offset: number }[]
}

export const readListOffsetsRequest = (reader: WireReader, version: number): OffsetQuestion[] => {
  reader.int32() // replica
  if (version >= 2) reader.int8() // isolation: all is committed
  return reader.array(6, () => ({
    topic: reader.string(),
    partitions: reader.array(12, () => {
      const partition = reader.int32()
      if (version >= 4) reader.int32() // leader epoch
      return { partition, timestamp: reader.int64() }
    }),
  }))
}

export const writeListOffsets = (writer: WireWriter, version: number, answers: readonly OffsetAnswer[]): void => {
  if (version >= 2) writer.int32(0)
  writer.array(answers, ({ topic, partitions }) => {
    writer.string(topic)
    writer.array(partitions, ({ partition, error, timestamp, offset }) => {
      writer.int32(partition).int16(error).int64(timestamp).int64(offset)
      if (version >= 4) writer.int32(-1)
    })
  })
}
