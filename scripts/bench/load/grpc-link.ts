import { fileURLToPath } from 'node:url'
import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js'
import { loadSync, type MethodDefinition } from '@grpc/proto-loader'
import type { Link, LinkOptions } from './link.ts'
import { type LoadReceipt, receiptOf } from './receipt.ts'

const PROTO = fileURLToPath(new URL('../../../schema/collector.proto', import.meta.url))
const SERVICE = 'millrace.v1.Collector'

interface ReceiptMessage {
  accepted: number
  verdicts?: { index: number; code: string }[]
}

/** A message is bytes already, see protocol.ts. */
const asItIs = (bytes: Buffer): Buffer => bytes

/** No answer is not the same as one that says no. */
const NO_ANSWER = new Set([status.UNAVAILABLE, status.DEADLINE_EXCEEDED, status.CANCELLED])

const failureOf = ({ code, metadata }: ServiceError): LoadReceipt | null => {
  const [said] = metadata?.get('millrace-code') ?? []
  if (said === undefined && NO_ANSWER.has(code)) return null
  return { refused: 'all', code: said?.toString() ?? status[code] }
}

/** A channel of its own, unary calls. */
export const createGrpcLink = (
  address: string,
  writeKey: string,
  { longest, silenceMs, onOpen }: LinkOptions,
): Link => {
  const { Track } = loadSync(PROTO, { enums: String, longs: Number })[SERVICE] as Record<
    string,
    MethodDefinition<object, object>
  >
  const client = new Client(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 })
  const metadata = new Metadata()
  metadata.set('authorization', `Bearer ${writeKey}`)
  const read = (bytes: Buffer) => Track.responseDeserialize(bytes) as ReceiptMessage
  const buffer = Buffer.allocUnsafe(longest)
  let isOpen = false
  const link: Link = {
    buffer,
    send(length, _, answered) {
      const options = { deadline: Date.now() + silenceMs }
      client.makeUnaryRequest(
        Track.path,
        asItIs,
        read,
        buffer.subarray(0, length),
        metadata,
        options,
        (error, value) => {
          answered(error ? failureOf(error) : receiptOf(value!))
        },
      )
    },
    isOpen: () => isOpen,
    close: () => client.close(),
  }
  client.waitForReady(Date.now() + silenceMs, (error) => {
    if (error) return
    isOpen = true
    onOpen(link)
  })
  return link
}
