import { connect } from 'node:net'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { Registry } from 'prom-client'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { BUILTIN_SCHEMAS } from '#schema/builtin-schemas.ts'
import { LIMITS } from '#schema/limits.ts'
import { createAuthenticator } from '../auth.ts'
import { createCollector } from '../collect/collector.ts'
import { createCollectMetrics } from '../collect/metrics.ts'
import { createSchemaCheck } from '../collect/schema-check.ts'
import type { EventVerdict } from '../collect/verdict.ts'
import { createIntake } from '../indicators/intake.ts'
import { createFakeGeoIp, createMemoryKeys, createMemoryLog } from '../testing/fakes.ts'
import type { GraphqlBody } from './graphql-body.ts'
import { createHttpServer, type HttpServer, type HttpServerDependencies } from './server.ts'

const NOW = Date.UTC(2026, 5, 1, 12)
const checkSchema = createSchemaCheck(BUILTIN_SCHEMAS)

interface Answer {
  accepted: number
  rejected: number
  verdicts: EventVerdict[]
  error?: { code: string; message: string }
}

let memory: ReturnType<typeof createMemoryLog>
let server: HttpServer
let base: string
let errors: unknown[]

const start = async (changes: Partial<HttpServerDependencies> = {}) => {
  const registry = new Registry()
  memory = createMemoryLog()
  errors = []
  server = createHttpServer({
    collector: createCollector({
      log: memory.log,
      geoip: createFakeGeoIp({ '127.0.0.1': 'XX', '5.6.7.8': 'DE' }),
      clock: { now: () => NOW },
      metrics: createCollectMetrics(registry),
      intake: createIntake(() => 0),
      checkSchema,
      partitions: 8,
      processId: 'test',
    }),
    authenticate: createAuthenticator(createMemoryKeys({ w: 'WRITE', r: 'READ', a: 'ADMIN' })),
    registry,
    readiness: () => ({ ready: true, problems: [] }),
    onError: (error) => errors.push(error),
    ...changes,
  })
  base = `http://127.0.0.1:${await server.listen({ port: 0, host: '127.0.0.1' })}`
}

beforeEach(() => start())
afterEach(() => server.close(100))

const post = async (
  body: string | Uint8Array,
  { query = '', key = 'w', headers = {} as Record<string, string> } = {},
) => {
  const authorization: Record<string, string> = key === '' ? {} : { authorization: `Bearer ${key}` }
  const url = `${base}/v1/events${query}`
  const response = await fetch(url, {
    method: 'POST',
    body: body as string,
    headers: { ...authorization, ...headers },
  })
  return { status: response.status, headers: response.headers, body: (await response.json()) as Answer }
}

const good = (id: string) => `{"id":"${id}","name":"page_view"}`
const storedIds = () => memory.lines().map((line) => line.e.id)

describe('POST /v1/events', () => {
  it('takes one object, lines and an array, and answers the receipt', async () => {
    expect((await post(good('a'))).body).toEqual({ accepted: 1, shed: 0, rejected: 0, verdicts: [] })
    expect((await post(`${good('b')}\n\n${good('c')}\r\n`)).body.accepted).toBe(2)
    expect((await post(`[${good('d')},${good('e')}]`)).body.accepted).toBe(2)
    expect((await post('')).body).toEqual({ accepted: 0, shed: 0, rejected: 0, verdicts: [] })
    expect((await post('[]')).status).toBe(200)
    expect(storedIds().sort()).toEqual(['a', 'b', 'c', 'd', 'e'])
  })

  it('tells the verdicts of accepted events when it is asked to', async () => {
    const { body } = await post(`${good('a')}\n{}`, { query: '?all=true' })
    expect(body.verdicts.map(({ index, id, status }) => [index, id, status])).toEqual([
      [0, 'a', 'ACCEPTED'],
      [1, '', 'REJECTED'],
    ])
  })

  it('takes the key from the address, and the source', async () => {
    const { status } = await post(good('a'), { key: '', query: '?key=w&source=import-1' })
    expect(status).toBe(200)
    expect(memory.lines()[0]).toMatchObject({ tenant: 'main', source: 'import-1' })
    expect((await post(good('b'), { query: '?source=../x' })).body.error?.code).toBe('BAD_INPUT')
  })

  it('takes gzip, deflate and brotli', async () => {
    const codings: [string, Uint8Array][] = [
      ['gzip', gzipSync(good('g'))],
      ['deflate', deflateSync(good('d'))],
      ['br', brotliCompressSync(good('b'))],
    ]
    for (const [coding, body] of codings) {
      expect((await post(body, { headers: { 'content-encoding': coding } })).body.accepted).toBe(1)
    }
    expect(storedIds()).toEqual(['g', 'd', 'b'])
  })

  it('puts the trace context of the request and the country of the client into the log', async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    const tracestate = 'shop=web'
    await post(good('a'), { headers: { traceparent, tracestate, 'x-forwarded-for': '5.6.7.8, 10.0.0.1' } })
    expect(memory.frames[0]).toMatchObject({ traceparent, tracestate })
    expect(memory.lines()[0].country).toBe('DE')
  })

  it('puts no trace context into the log where the header is none', async () => {
    await post(good('a'), { headers: { traceparent: '00-x Nats-Msg-Id: 1', tracestate: 'shop=web' } })
    expect(memory.frames[0]).not.toHaveProperty('traceparent')
    expect(memory.frames[0]).not.toHaveProperty('tracestate')
  })

  it('answers a preflight to browsers of any origin', async () => {
    const response = await fetch(`${base}/v1/events`, { method: 'OPTIONS' })
    expect(response.status).toBe(204)
    expect(response.headers.get('access-control-allow-origin')).toBe('*')
    expect(response.headers.get('access-control-allow-headers')).toContain('authorization')
  })

  it('answers with its status and Retry-After when the log is away', async () => {
    await server.close(100)
    memory = createMemoryLog()
    const registry = new Registry()
    const log = { ...memory.log, append: () => Promise.reject(new Error('no answer')) }
    const collector = createCollector({
      log,
      geoip: createFakeGeoIp({}),
      clock: { now: () => NOW },
      metrics: createCollectMetrics(registry),
      intake: createIntake(() => 0),
      checkSchema,
      partitions: 1,
      processId: 'test',
    })
    await start({ collector, registry })
    const answer = await post(good('a'))
    expect([answer.status, answer.body.error?.code, answer.headers.get('retry-after')]).toEqual([
      503,
      'UNAVAILABLE',
      '1',
    ])
  })
})

describe('a hostile event', () => {
  const deep = (levels: number) => `{"name":"x","properties":${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}}`
  const cases: [what: string, event: string | Buffer, code: string, status: number, path: string | null][] = [
    ['malformed JSON', '{"name":', 'MALFORMED', 400, '/name'],
    ['no object', '"page_view"', 'MALFORMED', 400, null],
    ['a name of the wrong type', '{"name":5}', 'MALFORMED', 400, '/name'],
    ['properties of the wrong type', '{"name":"x","properties":[1]}', 'MALFORMED', 400, '/properties'],
    [
      'a property of the wrong type',
      '{"name":"page_view","properties":{"status":"200"}}',
      'SCHEMA_VIOLATION',
      422,
      '/properties/status',
    ],
    ['depth 10,000', deep(10_000), 'TOO_DEEP', 400, null],
    ['depth 33', deep(32), 'TOO_DEEP', 400, null],
    ['__proto__', '{"name":"x","__proto__":{"polluted":1}}', 'MALFORMED', 400, '/__proto__'],
    [
      '__proto__ further down',
      '{"name":"x","properties":{"__proto__":{"polluted":1}}}',
      'MALFORMED',
      400,
      '/properties/__proto__',
    ],
    ['duplicate keys', '{"name":"x","name":"y"}', 'MALFORMED', 400, '/name'],
    ['duplicate keys, one escaped', '{"name":"x","properties":{"a":1,"\\u0061":2}}', 'MALFORMED', 400, '/properties/a'],
    ['a lone surrogate', '{"name":"x","userId":"\\ud800"}', 'MALFORMED', 400, '/userId'],
    ['invalid UTF-8', Buffer.from('{"name":"x","userId":"\xff\xfe"}', 'latin1'), 'MALFORMED', 400, null],
    ['1e999', '{"name":"x","properties":{"a":1e999}}', 'MALFORMED', 400, '/properties/a'],
    ['a field named tenant', '{"name":"x","tenant":"other"}', 'MALFORMED', 400, '/tenant'],
    ['a field named receivedAt', '{"name":"x","receivedAt":1}', 'MALFORMED', 400, '/receivedAt'],
    ['a field named weight', '{"name":"x","weight":9}', 'MALFORMED', 400, '/weight'],
    ['an id of 10 KB', `{"name":"x","id":"${'i'.repeat(10_000)}"}`, 'MALFORMED', 400, '/id'],
    ['an event of 33 KB', `{"name":"x","properties":{"a":"${'p'.repeat(33_000)}"}}`, 'EVENT_TOO_LARGE', 413, null],
    ['a time in 1970', '{"name":"x","time":"1970-01-01T00:00:00Z"}', 'TIME_OUT_OF_RANGE', 422, '/time'],
    ['a time in 9999', '{"name":"x","time":"9999-12-31T23:59:59Z"}', 'TIME_OUT_OF_RANGE', 422, '/time'],
  ]

  it.each(cases)('with %s is refused alone', async (_, event, code, status, path) => {
    const lines = Buffer.concat([Buffer.from(`${good('a')}\n`), Buffer.from(event), Buffer.from(`\n${good('b')}`)])
    const { body } = await post(lines)
    expect(body).toMatchObject({ accepted: 2, rejected: 1, verdicts: [{ index: 1, status: 'REJECTED', code }] })
    if (path !== null) expect(body.verdicts[0].path).toBe(path)
    expect(storedIds().sort()).toEqual(['a', 'b'])
    const alone = await post(event)
    expect([alone.status, alone.body.verdicts[0].code]).toEqual([status, code])
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  })

  it.each(cases.slice(1))('with %s is refused alone in an array', async (_, event, code) => {
    const array = Buffer.concat([Buffer.from(`[${good('a')},`), Buffer.from(event), Buffer.from(`,${good('b')}]`)])
    const { body } = await post(array)
    expect(body).toMatchObject({ accepted: 2, rejected: 1, verdicts: [{ index: 1, code }] })
    expect(storedIds().sort()).toEqual(['a', 'b'])
  })
})

describe('a hostile request', () => {
  const refused = async (answer: ReturnType<typeof post>): Promise<[number, string | undefined]> => {
    const { status, body } = await answer
    return [status, body.error?.code]
  }
  afterEach(async () => {
    expect(errors).toEqual([])
    expect((await post(good('still-here'))).body.accepted).toBe(1)
  })

  it('without a key, with a wrong one, or with one that only reads is refused', async () => {
    expect(await refused(post(good('a'), { key: '' }))).toEqual([401, 'UNAUTHENTICATED'])
    expect(await refused(post(good('a'), { key: 'wrong' }))).toEqual([401, 'UNAUTHENTICATED'])
    expect(await refused(post(good('a'), { headers: { authorization: 'Basic dzp3' } }))).toEqual([
      401,
      'UNAUTHENTICATED',
    ])
    expect(await refused(post(good('a'), { key: 'r' }))).toEqual([403, 'FORBIDDEN'])
    expect(memory.frames).toEqual([])
  })

  it('of 1 MB is taken, and of 1 MB + 1 byte is refused', async () => {
    const event = good('a')
    expect((await post(event + ' '.repeat(LIMITS.requestBytes - event.length))).status).toBe(200)
    expect(await refused(post(event + ' '.repeat(LIMITS.requestBytes - event.length + 1)))).toEqual([413, 'TOO_LARGE'])
    expect(await refused(post(' '.repeat(5_000_000)))).toEqual([413, 'TOO_LARGE'])
  })

  it('that is a compression bomb is refused without being unpacked', async () => {
    const zeros = Buffer.alloc(20_000_000)
    expect(await refused(post(gzipSync(zeros), { headers: { 'content-encoding': 'gzip' } }))).toEqual([
      413,
      'TOO_LARGE',
    ])
    expect(await refused(post(brotliCompressSync(zeros), { headers: { 'content-encoding': 'br' } }))).toEqual([
      413,
      'TOO_LARGE',
    ])
  })

  it('that does not decompress, or is in an unknown coding, is refused', async () => {
    expect(await refused(post(good('a'), { headers: { 'content-encoding': 'gzip' } }))).toEqual([400, 'BAD_INPUT'])
    const half = gzipSync(good('a')).subarray(0, 20)
    expect(await refused(post(half, { headers: { 'content-encoding': 'gzip' } }))).toEqual([400, 'BAD_INPUT'])
    expect(await refused(post(good('a'), { headers: { 'content-encoding': 'lzma' } }))).toEqual([
      415,
      'UNSUPPORTED_MEDIA_TYPE',
    ])
  })

  it('with an array that is no JSON is refused as a whole, and told where', async () => {
    const { status, body } = await post(`[${good('a')},{]`)
    expect([status, body.error?.code]).toEqual([400, 'BAD_INPUT'])
    expect(body.error?.message).toContain('found ] at column 33')
    expect(memory.frames).toEqual([])
  })

  it('with a million brackets is refused', async () => {
    expect(await refused(post('['.repeat(1_000_000)))).toEqual([400, 'BAD_INPUT'])
    const closed = await post('['.repeat(500_000) + ']'.repeat(500_000))
    expect([closed.status, closed.body.verdicts[0].code]).toEqual([400, 'TOO_DEEP'])
  })

  it('with more than 5,000 events is refused', async () => {
    expect((await post(`${good('a')}\n`.repeat(5000))).body.accepted).toBe(5000)
    expect(await refused(post(`${good('a')}\n`.repeat(5001)))).toEqual([422, 'TOO_MANY_EVENTS'])
    expect(await refused(post(`[${Array(5001).fill(1)}]`))).toEqual([422, 'TOO_MANY_EVENTS'])
  })

  it('of a client that goes away half-way harms nobody', async () => {
    const { port } = new URL(base)
    const socket = connect(Number(port), '127.0.0.1')
    socket.write('POST /v1/events?key=w HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{"name"')
    await new Promise((resolve) => socket.once('connect', resolve))
    socket.resetAndDestroy()
    await new Promise((resolve) => socket.once('close', resolve))
    expect(memory.frames).toEqual([])
  })

  it('whose body does not come in time is refused', async () => {
    await server.close(100)
    await start({ body: { timeoutMs: 30 } })
    const slow = new ReadableStream({ start: (controller) => controller.enqueue(Buffer.from('{"name"')) })
    const request = {
      method: 'POST',
      body: slow,
      duplex: 'half',
      headers: { authorization: 'Bearer w' },
    } as RequestInit
    const response = await fetch(`${base}/v1/events`, request)
    expect([response.status, ((await response.json()) as Answer).error?.code]).toEqual([400, 'BAD_INPUT'])
  })
})

describe('closing', () => {
  it('lets a request finish, and then does not wait for its connection to be idle long enough', async () => {
    await server.close(100)
    const { promise: asked, resolve: ask } = Promise.withResolvers<void>()
    const { promise: gate, resolve: open } = Promise.withResolvers<void>()
    await start({
      page: async (_, response) => {
        ask()
        await gate
        response.end('done')
      },
    })
    const answer = fetch(`${base}/`)
    await asked
    const closed = server.close(60_000)
    open()
    expect(await (await answer).text()).toBe('done')
    await closed
    await expect(fetch(`${base}/healthz`)).rejects.toThrow()
    await start()
  })
})

describe('other paths', () => {
  it('answer health, readiness and metrics', async () => {
    await post(`${good('a')}\n{}`)
    expect((await fetch(`${base}/healthz`)).status).toBe(200)
    expect(await (await fetch(`${base}/readyz`)).json()).toEqual({ ready: true, problems: [] })
    const metrics = await (await fetch(`${base}/metrics`)).text()
    expect(metrics).toContain('millrace_events_accepted_total 1')
    expect(metrics).toContain('millrace_events_refused_total{code="MALFORMED"} 1')
    expect(metrics).toContain('millrace_frames_total{outcome="acknowledged"} 1')
  })

  it('that are not ready say why', async () => {
    await server.close(100)
    await start({ readiness: () => ({ ready: false, problems: ['partition 3 is being refilled'] }) })
    const response = await fetch(`${base}/readyz`)
    expect([response.status, await response.json()]).toEqual([
      503,
      { ready: false, problems: ['partition 3 is being refilled'] },
    ])
  })

  it('that are unknown, or methods that are, say what there is', async () => {
    expect((await fetch(`${base}/nowhere`)).status).toBe(404)
    const response = await fetch(`${base}/v1/events`)
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST, OPTIONS'])
  })

  it('hand GraphQL over with its text and the problems in it, by variable and index', async () => {
    await server.close(100)
    const bodies: (GraphqlBody | null)[] = []
    await start({
      graphql: (_, response, body) => {
        bodies.push(body)
        response.end('{}')
      },
    })
    const text = '{"query":"…","variables":{"events":[{"a":1},{"a":1,"a":2}]}}'
    const headers = { 'content-type': 'application/json' }
    await fetch(`${base}/graphql`, { method: 'POST', body: text, headers })
    await fetch(`${base}/graphql?query={metrics{name}}`)
    await fetch(`${base}/graphql`, { method: 'POST', body: '{"query":1,"query":2}', headers })
    expect(bodies[0]?.text).toBe(text)
    expect(bodies[0]?.problems.request).toBeNull()
    expect(bodies[0]?.problems.elements.get('events')?.get(1)).toMatchObject({ code: 'MALFORMED', path: '/a' })
    expect(bodies[1]).toBeNull()
    expect(bodies[2]?.problems.request).toContain('/query')
    const large = await fetch(`${base}/graphql`, { method: 'POST', body: ' '.repeat(1_000_001), headers })
    expect([large.status, await large.json()]).toMatchObject([413, { errors: [{ extensions: { code: 'TOO_LARGE' } }] }])
  })

  it('that fail unexpectedly tell the client nothing of the inside, and the operator all', async () => {
    await server.close(100)
    await start({ page: () => Promise.reject(new Error('secret detail')) })
    const response = await fetch(`${base}/`)
    expect(response.status).toBe(503)
    expect(await response.text()).not.toContain('secret')
    expect(errors).toMatchObject([{ message: 'secret detail' }])
  })
})
