import type { ErrorCode } from './codes.ts'
import type { WireReader, WireWriter } from './wire.ts'

/** A server by which the topics can be read. */
export interface BrokerAddress {
  id: number
  host: string
  port: number
}

interface MetadataResponse {
  brokers: readonly BrokerAddress[]
  clusterId: string
  /** This server: it says of itself that it leads everything. */
  node: number
  topics: { name: string; error: ErrorCode; partitions: number }[]
}

const NO_EPOCH = -1
/** Authorized operations: not asked for. */
const UNKNOWN_OPERATIONS = -2_147_483_648

/** Null: all topics. */
export const readMetadataRequest = (reader: WireReader): string[] | null =>
  reader.nullableArray(2, () => reader.string())

export const writeMetadata = (writer: WireWriter, version: number, response: MetadataResponse): void => {
  const { brokers, clusterId, node, topics } = response
  writer.int32(0)
  writer.array(brokers, ({ id, host, port }) => writer.int32(id).string(host).int32(port).string(null))
  writer.string(clusterId).int32(node)
  writer.array(topics, ({ name, error, partitions }) => {
    writer.int16(error).string(name).bool(false)
    writer.array([...Array(partitions).keys()], (partition) => {
      writer.int16(0).int32(partition).int32(node)
      if (version >= 7) writer.int32(NO_EPOCH)
      for (const replicas of [[node], [node]]) writer.array(replicas, (id) => writer.int32(id))
      if (version >= 5) writer.int32(0)
    })
    if (version >= 8) writer.int32(UNKNOWN_OPERATIONS)
  })
  if (version >= 8) writer.int32(UNKNOWN_OPERATIONS)
}
