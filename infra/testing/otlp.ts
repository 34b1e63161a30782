import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'

/** A span as OTLP has it, with its resource; attributes as plain values. */
export interface ReceivedSpan {
  service: string
  resource: Record<string, unknown>
  name: string
  /** SpanKind of OTLP: 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  kind: number
  traceId: string
  spanId: string
  parentSpanId: string
  traceState: string
  /** Nanoseconds since 1970. */
  start: bigint
  end: bigint
  attributes: Record<string, unknown>
  links: { traceId: string; spanId: string }[]
  /** Message of an error. */
  error?: string
}

/** A collector's door for traces. */
export interface OtlpReceiver extends AsyncDisposable {
  /** As --otlp-endpoint wants it. */
  endpoint: string
  /** All that came so far. */
  spans(): readonly ReceivedSpan[]
  /** Requests so far, refused ones included. */
  requests(): number
  /** Calls back after every request that brought spans. */
  onSpans(listener: () => void): () => void
}

interface AnyValue {
  stringValue?: string
  intValue?: string | number
  doubleValue?: number
  boolValue?: boolean
  arrayValue?: { values: AnyValue[] }
}
type KeyValues = { key: string; value: AnyValue }[]

interface ExportRequest {
  resourceSpans: {
    resource: { attributes: KeyValues }
    scopeSpans: {
      spans: {
        name: string
        kind: number
        traceId: string
        spanId: string
        parentSpanId?: string
        traceState?: string
        startTimeUnixNano: string
        endTimeUnixNano: string
        attributes?: KeyValues
        links?: { traceId: string; spanId: string }[]
        status?: { code?: number; message?: string }
      }[]
    }[]
  }[]
}

const ERROR = 2

const plain = ({ stringValue, intValue, doubleValue, boolValue, arrayValue }: AnyValue): unknown => {
  if (arrayValue) return arrayValue.values.map(plain)
  return intValue === undefined ? (stringValue ?? doubleValue ?? boolValue) : Number(intValue)
}
const plainAll = (attributes: KeyValues = []): Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, plain(value)]))

const flatten = ({ resourceSpans }: ExportRequest): ReceivedSpan[] =>
  resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const attributes = plainAll(resource.attributes)
    return scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => ({
        service: String(attributes['service.name']),
        resource: attributes,
        name: span.name,
        kind: span.kind,
        traceId: span.traceId,
        spanId: span.spanId,
        parentSpanId: span.parentSpanId ?? '',
        traceState: span.traceState ?? '',
        start: BigInt(span.startTimeUnixNano),
        end: BigInt(span.endTimeUnixNano),
        attributes: plainAll(span.attributes),
        links: (span.links ?? []).map(({ traceId, spanId }) => ({ traceId, spanId })),
        ...(span.status?.code === ERROR ? { error: span.status.message ?? '' } : {}),
      })),
    )
  })

/**
 * Takes traces by OTLP over HTTP in JSON, as the specification says, on a port of its own. `answer` may hold a request, and
 * with another status than 200 refuses it.
 */
export const startOtlpReceiver = async (answer: () => Promise<number> = async () => 200): Promise<OtlpReceiver> => {
  const received: ReceivedSpan[] = []
  const listeners = new Set<() => void>()
  let requests = 0
  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const isTraces = request.method === 'POST' && request.url === '/v1/traces'
    const isJson = request.headers['content-type'] === 'application/json'
    if (!isTraces || !isJson) return void response.writeHead(isTraces ? 415 : 404).end()
    const spans = flatten((await json(request)) as ExportRequest)
    requests++
    const status = await answer()
    response.writeHead(status, { 'content-type': 'application/json' }).end('{"partialSuccess":{}}')
    if (status !== 200) return
    received.push(...spans)
    for (const listener of listeners) listener()
  }
  const server = createServer((request, response) => {
    take(request, response).catch((error: Error) => response.writeHead(400).end(error.message))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans: () => received,
    requests: () => requests,
    onSpans(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
