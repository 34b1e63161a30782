import { createClient } from 'graphql-ws'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { postGraphql } from '#infra/testing/graphql.ts'
import { type OtlpReceiver, type ReceivedSpan, startOtlpReceiver } from '#infra/testing/otlp.ts'
import type { TestProduct } from '#infra/testing/product.ts'
import { subscribe } from '#infra/testing/subscriber.ts'
import { partitionOf } from '#schema/hash.ts'
import { start } from './lib/start.ts'
import { type ClientSpan, clientSpan, follows, isLinked, oneOf, seen } from './lib/traces.ts'
import { postEvents } from './lib/track.ts'

const PARTITIONS = 2
const SESSION = 'traced'
const PARTITION = partitionOf('main', SESSION, PARTITIONS)
const [SEND, PROCESS] = ['send', 'process'].map((operation) => `${operation} user_events_${PARTITION}`)
const [SERVER, PRODUCER, CONSUMER, CLIENT, INTERNAL] = [2, 4, 5, 3, 1]

const startTraced = async (): Promise<{ receiver: OtlpReceiver; product: TestProduct }> => {
  const receiver = await startOtlpReceiver()
  onTestFinished(() => receiver[Symbol.asyncDispose]())
  const flags = [`--partitions=${PARTITIONS}`, `--otlp-endpoint=${receiver.endpoint}`, '--trace-ratio=0']
  return { receiver, product: await start({ flags }) }
}

const event = (id: string) => ({ id, name: 'page_view', sessionId: SESSION })
const send = ({ keys, ...product }: TestProduct, id: string, headers: Record<string, string> = {}) =>
  postEvents({ keys, ...product }, keys.writeKey, JSON.stringify(event(id)), headers)

/** The whole way of one request, when all of it has come. */
const wayOf =
  (request: string, { traceId }: ClientSpan) =>
  (spans: readonly ReceivedSpan[]) => {
    const way = [request, SEND, PROCESS, 'store', 'push'].map((name) => oneOf(spans, traceId, name))
    return way.every((span) => span !== undefined) ? way : undefined
  }

test('a request is one trace from the client to frame, checkpoint, store and push; what is not sampled leaves none', async () => {
  const { receiver, product } = await startTraced()
  await using _views = await subscribe(product, { name: 'page_views', window: 'PT1M', by: [] })
  await send(product, 'no-trace')
  await send(product, 'not-sampled', clientSpan({ sampled: false }).headers)
  const client = clientSpan()
  expect((await send(product, 'sampled', client.headers)).accepted).toBe(1)

  const way = await seen(receiver, 'whole way of the request', wayOf('POST /v1/events', client))
  const [request, frame, checkpoint, store, push] = way
  expect(way.map(({ service, kind }) => [service, kind])).toEqual([
    ['millrace-gateway', SERVER],
    ['millrace-gateway', PRODUCER],
    ['millrace-processor', CONSUMER],
    ['millrace-storage', CLIENT],
    ['millrace-gateway', INTERNAL],
  ])
  expect(way.map(({ parentSpanId }) => parentSpanId)).toEqual([
    client.spanId,
    request.spanId,
    frame.spanId,
    checkpoint.spanId,
    checkpoint.spanId,
  ])
  for (const span of way) {
    expect(span).toMatchObject({ traceState: client.headers.tracestate })
    expect(span.error).toBeUndefined()
    expect(span.end >= span.start).toBe(true)
    expect(span.resource).toMatchObject({ 'service.version': expect.any(String), 'telemetry.sdk.language': 'nodejs' })
    expect(String(span.resource['service.instance.id'])).not.toBe('')
  }
  const messaging = {
    'messaging.system': 'nats',
    'messaging.system.name': 'nats',
    'messaging.destination.name': `user_events_${PARTITION}`,
    'messaging.destination.partition.id': String(PARTITION),
    'messaging.client.id': expect.any(String),
  }
  expect(request.attributes).toMatchObject({
    'http.request.method': 'POST',
    'http.route': '/v1/events',
    'url.path': '/v1/events',
    'url.scheme': 'http',
    'http.response.status_code': 200,
  })
  expect(frame.attributes).toMatchObject({
    ...messaging,
    'messaging.operation.name': 'send',
    'messaging.operation.type': 'send',
    'messaging.batch.message_count': 1,
    'messaging.message.body.size': expect.any(Number),
    'messaging.message.id': expect.any(String),
  })
  expect(checkpoint.attributes).toMatchObject({
    ...messaging,
    'messaging.operation.name': 'process',
    'messaging.operation.type': 'process',
    'messaging.batch.message_count': expect.any(Number),
    'millrace.checkpoint': expect.any(Number),
    'millrace.epoch': 1,
    'millrace.sequence.last': expect.any(Number),
  })
  expect(isLinked(checkpoint, frame)).toBe(true)
  expect(store.attributes).toMatchObject({
    'db.system.name': 'duckdb',
    'db.operation.name': 'store',
    'db.operation.batch.size': expect.any(Number),
  })
  expect(push.attributes).toMatchObject({ 'millrace.tenant': 'main', 'millrace.metric': 'page_views' })
  // All that has come belongs to this one request.
  expect(new Set(receiver.spans().map(({ traceId }) => traceId))).toEqual(new Set([client.traceId]))
})

test('requests that share a frame, frames that share a checkpoint and checkpoints that share a write are linked', async () => {
  const { receiver, product } = await startTraced()
  const clients = Array.from({ length: 30 }, () => clientSpan())
  await Promise.all(clients.map(({ headers }, i) => send(product, `shared-${i}`, headers)))

  const named = (spans: readonly ReceivedSpan[], name: string) => spans.filter((span) => span.name === name)
  const [frames, checkpoints, stores] = await seen(receiver, 'store of all requests', (spans) => {
    const requests = named(spans, 'POST /v1/events')
    const stages = [SEND, PROCESS, 'store'].map((name) => named(spans, name))
    const isWhole = stages.every((stage, i) =>
      (i === 0 ? requests : stages[i - 1]).every((span) => stage.some((next) => follows(next, span))),
    )
    return requests.length === clients.length && isWhole ? stages : undefined
  })
  const linked = frames.filter(({ links }) => links.length > 0)
  expect(linked.length).toBeGreaterThan(0)
  // The parent is not linked as well; every request is in one frame.
  const requests = frames.reduce((sum, { links }) => sum + 1 + links.length, 0)
  expect(requests).toBe(clients.length)
  const events = (spans: readonly ReceivedSpan[]) =>
    spans.reduce((sum, { attributes }) => sum + Number(attributes['messaging.batch.message_count']), 0)
  expect([events(frames), events(checkpoints)]).toEqual([clients.length, clients.length])
  expect(stores.length).toBeGreaterThan(0)
})

test('mutations are traced too, over HTTP and over a WebSocket', async () => {
  const { receiver, product } = await startTraced()
  const { endpoints, keys } = product
  await using _views = await subscribe(product, { name: 'page_views', window: 'PT1M', by: [] })
  const query = 'mutation Track($events: JSON!) { trackBatch(events: $events) { accepted } }'

  const overHttp = clientSpan()
  const body = JSON.stringify({ query, variables: { events: [event('http')] } })
  const answer = await postGraphql(endpoints.graphql, keys.writeKey, body, overHttp.headers)
  expect(answer).toMatchObject({ data: { trackBatch: { accepted: 1 } } })
  await seen(receiver, 'whole way of the mutation', wayOf('POST /graphql', overHttp))

  const overSocket = clientSpan()
  class TracedSocket extends WebSocket {
    constructor(url: string, protocol: string) {
      super(url, protocol, { headers: overSocket.headers })
    }
  }
  const connectionParams = { authorization: `Bearer ${keys.writeKey}` }
  const socket = createClient({ url: endpoints.ws, webSocketImpl: TracedSocket, connectionParams, retryAttempts: 0 })
  for await (const { data } of socket.iterate({
    query,
    operationName: 'Track',
    variables: { events: [event('socket')] },
  })) {
    expect(data).toEqual({ trackBatch: { accepted: 1 } })
  }
  await socket.dispose()
  const [mutation] = await seen(receiver, 'whole way of the mutation', wayOf('mutation', overSocket))
  expect(mutation).toMatchObject({
    kind: SERVER,
    parentSpanId: overSocket.spanId,
    attributes: { 'graphql.operation.type': 'mutation', 'graphql.operation.name': 'Track' },
  })
})

test('what has ended is sent before the processes are gone', async () => {
  const { receiver, product } = await startTraced()
  const client = clientSpan()
  await send(product, 'last', client.headers)
  expect(await product.stop()).toBe(0)
  for (const name of ['POST /v1/events', SEND, PROCESS]) {
    expect(oneOf(receiver.spans(), client.traceId, name)).toBeDefined()
  }
})
