import { UsageError } from '#scripts/lib/args.ts'

export const PROTOCOLS = ['graphql', 'graphql-batch', 'ndjson', 'grpc'] as const
/** How events are sent: typed trackEvents, trackBatch, POST /v1/events, or gRPC with lines as its body. */
export type Protocol = (typeof PROTOCOLS)[number]

/** Throws UsageError for what is none. */
export const protocolOf = (text: string = 'ndjson'): Protocol => {
  const protocol = PROTOCOLS.find((one) => one === text)
  if (protocol) return protocol
  throw new UsageError(`expected a protocol of ${PROTOCOLS.join(', ')}, got "${text}"`)
}

/** What stands around the events of a request. All of it is ASCII, or bytes as latin1. */
export interface Envelope {
  open: string
  separator: string
  close: string
  /** What goes before a body of so many bytes. */
  head(bytes: number): string
}

export interface Target {
  protocol: Protocol
  /** Of the GraphQL endpoint, of the collector, or host:port of gRPC. */
  address: string
  writeKey: string
}

const OPERATIONS = {
  graphql:
    'mutation Load($e: [EventInput!]!) { trackEvents(events: $e) { accepted rejected shed verdicts { index code } } }',
  'graphql-batch':
    'mutation Load($e: JSON!) { trackBatch(events: $e) { accepted rejected shed verdicts { index code } } }',
}

const httpHead = (address: string, key: string, contentType: string) => {
  const { host, pathname } = new URL(address)
  const fixed = `POST ${pathname} HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${key}\r\ncontent-type: ${contentType}\r\naccept: application/json\r\n`
  return (bytes: number): string => `${fixed}content-length: ${bytes}\r\n\r\n`
}

/** Tag and length of TrackRequest.body (schema/collector.proto): a field of bytes with the number 2. */
const BODY_TAG = 0x12
const protobufHead = (bytes: number): string => {
  const head = [BODY_TAG]
  let left = bytes
  for (; left > 0x7f; left >>>= 7) head.push((left & 0x7f) | 0x80)
  return String.fromCharCode(...head, left)
}

export const envelopeOf = ({ protocol, address, writeKey }: Target): Envelope => {
  if (protocol === 'grpc') return { open: '', separator: '\n', close: '', head: protobufHead }
  if (protocol === 'ndjson') {
    return { open: '', separator: '\n', close: '', head: httpHead(address, writeKey, 'application/x-ndjson') }
  }
  const open = `{"query":${JSON.stringify(OPERATIONS[protocol])},"variables":{"e":[`
  return { open, separator: ',', close: ']}}', head: httpHead(address, writeKey, 'application/json') }
}
