import { fileURLToPath } from 'node:url'
import {
  type Client,
  type ClientDuplexStream,
  credentials,
  loadPackageDefinition,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { protoPath as healthProto } from 'grpc-health-check'
import { Registry } from 'prom-client'
import { expect, onTestFinished, test } from 'vitest'
import { BUILTIN_SCHEMAS } from '#schema/builtin-schemas.ts'
import { createAuthenticator } from '../auth.ts'
import { type Admission, createAdmission } from '../collect/admission.ts'
import { createCollector } from '../collect/collector.ts'
import { createCollectMetrics } from '../collect/metrics.ts'
import { createSchemaCheck } from '../collect/schema-check.ts'
import { createIntake } from '../indicators/intake.ts'
import type { OutgoingFrame } from '../ports.ts'
import { createFakeGeoIp, createMemoryKeys, createMemoryLog } from '../testing/fakes.ts'
import type { EventMessage, ReceiptMessage, TrackRequest, ValueMessage } from './messages.ts'
import { createGrpcServer } from './server.ts'

const NOW = Date.UTC(2026, 5, 1, 12)

type Stream = ClientDuplexStream<TrackRequest, ReceiptMessage>
interface CollectorClient extends Client {
  track(
    request: TrackRequest,
    metadata: Metadata,
    answer: (error: ServiceError | null, receipt: ReceiptMessage) => void,
  ): void
  trackStream(metadata: Metadata): Stream
}

const clientOf = <T extends Client>(proto: string, path: string, port: number): T => {
  let found: unknown = loadPackageDefinition(loadSync(proto, { longs: Number, enums: String, defaults: true }))
  for (const part of path.split('.')) found = (found as Record<string, unknown>)[part]
  const Service = found as new (address: string, channel: ReturnType<typeof credentials.createInsecure>) => T
  const client = new Service(`127.0.0.1:${port}`, credentials.createInsecure())
  onTestFinished(() => client.close())
  return client
}

const PROTO = fileURLToPath(new URL('../../schema/collector.proto', import.meta.url))
const withKey = (secret: string): Metadata => {
  const metadata = new Metadata()
  metadata.set('authorization', `Bearer ${secret}`)
  return metadata
}

const setUp = async (answer?: (frame: OutgoingFrame) => Promise<void>, deadlineMs?: number, admission?: Admission) => {
  const memory = createMemoryLog(answer)
  const collector = createCollector({
    log: memory.log,
    geoip: createFakeGeoIp({ '127.0.0.1': 'NL' }),
    clock: { now: () => NOW },
    metrics: createCollectMetrics(new Registry()),
    intake: createIntake(() => 0),
    checkSchema: createSchemaCheck(BUILTIN_SCHEMAS),
    partitions: 8,
    processId: 'test',
    frames: deadlineMs === undefined ? {} : { deadlineMs },
  })
  const collecting = { now: 0, most: 0 }
  const unexpected: unknown[] = []
  const server = createGrpcServer({
    collector: {
      async collect(request) {
        collecting.now++
        collecting.most = Math.max(collecting.most, collecting.now)
        return collector.collect(request).finally(() => collecting.now--)
      },
    },
    authenticate: createAuthenticator(createMemoryKeys({ writer: 'WRITE', reader: 'READ' })),
    onError: (error) => unexpected.push(error),
    admission,
  })
  const port = await server.listen({ port: 0, host: '127.0.0.1' })
  onTestFinished(() => server.close(0))
  const client = clientOf<CollectorClient>(PROTO, 'millrace.v1.Collector', port)
  const track = (request: TrackRequest, key = 'writer') =>
    new Promise<ReceiptMessage>((resolve, reject) => {
      client.track(request, withKey(key), (error, receipt) => (error ? reject(error) : resolve(receipt)))
    })
  return { ...memory, server, port, client, track, unexpected, collecting }
}

const text = (stringValue: string): ValueMessage => ({ kind: 'stringValue', stringValue })
const number = (numberValue: number): ValueMessage => ({ kind: 'numberValue', numberValue })
const properties = (fields: Record<string, ValueMessage>): EventMessage['properties'] => ({ fields })

test('events as messages become the lines that the same events as JSON become', async () => {
  const { track, lines } = await setUp()
  const list = { kind: 'listValue' as const, listValue: { values: [number(1), { kind: 'nullValue' as const }] } }
  const struct = {
    kind: 'structValue' as const,
    structValue: { fields: { a: { kind: 'boolValue' as const, boolValue: true } } },
  }
  const message: EventMessage = {
    ...{ id: 'm', name: 'x', sessionId: 's', userId: 'u', anonymousId: 'a' },
    time: { seconds: NOW / 1_000 - 60, nanos: 250_000_000 },
    properties: properties({ amount: number(1.5), path: text('/ü'), list, struct }),
    context: { fields: { page: text('/a') } },
  }
  const json = {
    ...{ id: 'j', name: 'x', time: '2026-06-01T11:59:00.250Z', sessionId: 's', userId: 'u', anonymousId: 'a' },
    properties: { amount: 1.5, path: '/ü', list: [1, null], struct: { a: true } },
    context: { page: '/a' },
  }
  expect(await track({ events: [message] })).toMatchObject({ accepted: 1, rejected: 0, verdicts: [] })
  expect(await track({ body: Buffer.from(JSON.stringify(json)), source: 'live' })).toMatchObject({ accepted: 1 })
  const [one, other] = lines()
  expect({ ...one, e: { ...one.e, id: '' } }).toEqual({ ...other, e: { ...other.e, id: '' } })
  expect(one).toMatchObject({ key: 's', country: 'NL', time: NOW - 59_750 })
})

test('a bad event gets its verdict, and the others of its request are taken', async () => {
  const { track, lines } = await setUp()
  const deep = (levels: number): ValueMessage =>
    levels === 0 ? number(1) : { kind: 'structValue', structValue: { fields: { a: deep(levels - 1) } } }
  const receipt = await track({
    all: true,
    events: [
      { id: 'a', name: 'x' },
      { id: 'b', name: 'x', properties: properties({ amount: number(Number.NaN) }) },
      { id: 'c', name: 'x', properties: properties({ 'a\\b': text('') }) },
      { id: 'd', name: 'x', properties: properties({ deep: deep(32) }) },
      { id: 'e', name: 'Not a name' },
      { id: 'f', name: 'x', time: { seconds: 1 } },
      { id: 'g', name: 'x', time: { seconds: 9e15 } },
      { id: 'h', name: 'x', properties: properties({ text: text('x'.repeat(40_000)) }) },
    ],
  })
  expect(receipt).toMatchObject({ accepted: 1, rejected: 7 })
  expect(receipt.verdicts.map(({ id, status: what, code, path }) => [id, what, code, path])).toEqual([
    ['a', 'ACCEPTED', '', ''],
    ['b', 'REJECTED', 'MALFORMED', '/properties/amount'],
    ['c', 'REJECTED', 'MALFORMED', '/properties/a\\b'],
    ['d', 'REJECTED', 'TOO_DEEP', expect.stringContaining('/properties/deep/a')],
    ['e', 'REJECTED', 'MALFORMED', '/name'],
    ['f', 'REJECTED', 'TIME_OUT_OF_RANGE', expect.anything()],
    ['g', 'REJECTED', 'TIME_OUT_OF_RANGE', expect.anything()],
    ['h', 'REJECTED', 'EVENT_TOO_LARGE', ''],
  ])
  expect(lines().map(({ e }) => e.id)).toEqual(['a'])
})

const failure = (what: Promise<unknown>): Promise<{ code: status; millrace: unknown; pushback: unknown }> =>
  what.then(
    () => expect.unreachable(),
    ({ code, metadata }: ServiceError) => ({
      code,
      millrace: metadata.get('millrace-code')[0],
      pushback: metadata.get('grpc-retry-pushback-ms')[0],
    }),
  )

test('a call that fails as a whole says why by its status, and in its trailers', async () => {
  const { track, unexpected } = await setUp(async () => Promise.reject(new Error('the log is away')), 50)
  const one = { events: [{ id: 'a', name: 'x' }] }
  expect(await failure(track(one, 'nobody'))).toMatchObject({
    code: status.UNAUTHENTICATED,
    millrace: 'UNAUTHENTICATED',
  })
  expect(await failure(track(one, 'reader'))).toMatchObject({ code: status.PERMISSION_DENIED, millrace: 'FORBIDDEN' })
  const both = { ...one, body: Buffer.from('{}') }
  expect(await failure(track(both))).toMatchObject({ code: status.INVALID_ARGUMENT, millrace: 'BAD_INPUT' })
  const broken = { body: Buffer.from('[1,') }
  expect(await failure(track(broken))).toMatchObject({ code: status.INVALID_ARGUMENT, millrace: 'BAD_INPUT' })
  const many = { events: Array.from({ length: 5_001 }, () => ({ name: 'x' })) }
  expect(await failure(track(many))).toMatchObject({ code: status.INVALID_ARGUMENT, millrace: 'TOO_MANY_EVENTS' })
  expect((await failure(track({ body: Buffer.alloc(2_000_000, 'x') }))).code).toBe(status.RESOURCE_EXHAUSTED)
  expect(await failure(track(one))).toEqual({ code: status.UNAVAILABLE, millrace: 'UNAVAILABLE', pushback: '1000' })
  expect(unexpected).toEqual([])
})

/** Receipts of a stream as they come, and how it ended. */
const watch = (stream: Stream) => {
  const receipts: ReceiptMessage[] = []
  stream.on('data', (receipt) => receipts.push(receipt))
  const ended = new Promise<ServiceError | null>((resolve) => {
    stream.on('error', (error) => resolve(error as ServiceError)).on('end', () => resolve(null))
  })
  return { receipts, ended }
}

test('receipts come in the order of the requests, whichever the log confirms first', async () => {
  const waiting: (() => void)[] = []
  const { client } = await setUp(() => new Promise((resolve) => waiting.push(resolve)))
  const stream = client.trackStream(withKey('writer'))
  const { receipts, ended } = watch(stream)
  // Sessions of different partitions: a frame each.
  for (let i = 0; i < 8; i++) stream.write({ events: [{ id: `e${i}`, name: 'x', sessionId: `s${i}` }], all: true })
  stream.end()
  const release = setInterval(() => waiting.pop()?.(), 1)
  expect(await ended).toBeNull()
  clearInterval(release)
  expect(receipts.map(({ verdicts }) => verdicts[0].id)).toEqual(Array.from({ length: 8 }, (_, i) => `e${i}`))
})

test('a stream whose receipts wait is not read on: no more than its share is in memory', async () => {
  const { promise: confirmed, resolve: confirm } = Promise.withResolvers<void>()
  const { client, collecting } = await setUp(() => confirmed)
  const stream = client.trackStream(withKey('writer'))
  const { receipts, ended } = watch(stream)
  for (let i = 0; i < 200; i++) stream.write({ events: [{ id: `e${i}`, name: 'x', sessionId: 'one' }] })
  stream.end()
  await expect.poll(() => collecting.now).toBe(16)
  expect(receipts).toEqual([])
  confirm()
  expect(await ended).toBeNull()
  expect(receipts).toHaveLength(200)
  expect(collecting.most).toBe(16)
})

test('a request that fails ends its stream behind the receipts before it', async () => {
  const { client } = await setUp()
  const stream = client.trackStream(withKey('writer'))
  const { receipts, ended } = watch(stream)
  stream.write({ events: [{ id: 'a', name: 'x' }] })
  stream.write({ body: Buffer.from('[1,') })
  stream.write({ events: [{ id: 'b', name: 'x' }] })
  expect(await ended).toMatchObject({ code: status.INVALID_ARGUMENT })
  expect(receipts).toMatchObject([{ accepted: 1 }])
})

test('a gateway that stops sends the receipts that are under way, then ends streams', async () => {
  const { promise: confirmed, resolve: confirm } = Promise.withResolvers<void>()
  const { client, server, frames } = await setUp(() => confirmed)
  const stream = client.trackStream(withKey('writer'))
  const { receipts, ended } = watch(stream)
  stream.write({ events: [{ id: 'a', name: 'x' }] })
  await expect.poll(() => frames.length).toBe(1)
  const closed = server.close(10_000)
  confirm()
  expect(await ended).toMatchObject({ code: status.UNAVAILABLE })
  expect(receipts).toMatchObject([{ accepted: 1 }])
  await closed
})

test('the health service says that it serves', async () => {
  const { port } = await setUp()
  type Health = Client & { check(request: { service: string }, answer: (error: unknown, reply: object) => void): void }
  const client = clientOf<Health>(healthProto, 'grpc.health.v1.Health', port)
  const check = (service: string) => new Promise((resolve) => client.check({ service }, (_, reply) => resolve(reply)))
  expect(await check('')).toEqual({ status: 'SERVING' })
  expect(await check('millrace.v1.Collector')).toEqual({ status: 'SERVING' })
})

test('a request for which there is no room among the bytes in flight is refused with a time, and gives back what it held', async () => {
  const admission = createAdmission({ limitBytes: 10_000, highBytes: 0 })
  const { track } = await setUp(undefined, undefined, admission)
  const large: TrackRequest = { events: [{ id: 'large', name: 'x', userId: 'x'.repeat(200), sessionId: 's' }] }
  const rest = admission.open()
  rest.grow(9_900)
  const refused = (await track(large).catch((error) => error)) as ServiceError
  expect([refused.code, refused.metadata.get('millrace-code')]).toEqual([status.RESOURCE_EXHAUSTED, ['OVERLOADED']])
  expect(refused.metadata.get('grpc-retry-pushback-ms')).toEqual(['10000'])
  rest.release()
  expect(await track(large)).toMatchObject({ accepted: 1 })
  expect(admission.usedBytes()).toBe(0)
})
