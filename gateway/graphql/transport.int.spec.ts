import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createClient } from 'graphql-ws'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { createAdmission } from '#gateway/collect/admission.ts'
import { readGraphqlBody } from '#gateway/http/graphql-body.ts'
import { liveClock, row, sessionRow, TENANT } from '#gateway/live/testing.ts'
import { MillraceError } from '#schema/errors.ts'
import { createGraphqlHandler } from './handler.ts'
import { authenticate, fakeServices } from './testing.ts'

const NOON = 1_767_268_800_000
const MINUTE = 60_000
const WATCH = `subscription($after: Cursor) {
  metric(name: "views", window: {tumbling: "PT1M"}, by: [], after: $after) { kind cursor points { value status } }
}`

interface Update {
  kind: string
  cursor: string
  points: { value: number; status: string }[]
}

const setUp = async () => {
  const fakes = await fakeServices({ paceMs: 5 })
  const handler = createGraphqlHandler({ services: fakes.services, authenticate, log: { error: () => {} } })
  const bodyOf = async (request: IncomingMessage) => (request.method === 'POST' ? readGraphqlBody(request) : null)
  const server = createServer(async (request, response) => {
    try {
      await handler.handleGraphql(request, response, await bodyOf(request))
    } catch (error) {
      response.writeHead(400).end(error instanceof MillraceError ? error.code : 'UNEXPECTED')
    }
  })
  server.on('upgrade', handler.handleUpgrade)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    await handler.close()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    await fakes.close()
  })
  const { port } = server.address() as AddressInfo
  return { ...fakes, handler, url: `http://127.0.0.1:${port}/graphql`, ws: `ws://127.0.0.1:${port}/graphql` }
}

const connect = (url: string, authorization: string, over: object = {}) => {
  const client = createClient({
    url,
    webSocketImpl: WebSocket,
    connectionParams: { authorization },
    retryAttempts: 0,
    ...over,
  })
  onTestFinished(() => void client.dispose())
  return client
}

const watch = (client: ReturnType<typeof connect>, after?: string) => {
  const updates = client.iterate<{ metric: Update }>({ query: WATCH, variables: { after } })
  return {
    next: async (): Promise<Update> => (await updates.next()).value.data.metric,
    fails: async () => (await updates.next()).value.errors,
    end: async () => void (await updates.return?.()),
  }
}

test('over WebSocket a subscriber gets a snapshot, changes, and after a reconnect what it missed', async () => {
  const { ws, checkpoints, services } = await setUp()
  checkpoints.commit(0, [row(NOON, ['DE', '/a'], 1)], { clocks: [liveClock(NOON)] })
  const first = watch(connect(ws, 'Bearer read'))
  expect(await first.next()).toMatchObject({ kind: 'SNAPSHOT', points: [{ value: 1, status: 'PROVISIONAL' }] })
  checkpoints.commit(1, [row(NOON, ['AT', '/a'], 2)])
  const { kind, points, cursor } = await first.next()
  expect([kind, points]).toEqual(['DELTA', [{ value: 3, status: 'PROVISIONAL' }]])
  await first.end()
  checkpoints.commit(0, [row(NOON, ['DE', '/a'], 4)])
  const second = watch(connect(ws, 'Bearer read'), cursor)
  expect(await second.next()).toMatchObject({ kind: 'DELTA', points: [{ value: 7 }] })
  expect(services.reader.watched()).toBe(1)
})

test('a subscriber to sessions is told that one was retracted, and a gap that is not defined is refused', async () => {
  const { ws, checkpoints, services } = await setUp()
  const windows = [{ kind: 'SESSION' as const, gapMs: MINUTE }]
  const common = { event: '*', where: [], measure: { kind: 'COUNT' as const }, dimensions: ['country'] }
  await services.admin.define(TENANT, { ...common, name: 'visits', windows })
  const session = (minute: number, events: number, over = {}) =>
    sessionRow('s', [NOON + minute * MINUTE, NOON + 9 * MINUTE], ['DE'], events, { metric: 'visits', ...over })
  checkpoints.commit(0, [], { sessions: [session(3, 1)] })
  const client = connect(ws, 'Bearer read')
  const ask = (gap: string) =>
    client.iterate({
      query: `subscription { metric(name: "visits", window: {session: "${gap}"}) {
        kind points { windowStart windowEnd dimensions value events status revision } } }`,
    })
  const updates = ask('PT1M')
  const windowEnd = '2026-01-01T12:09:00.000Z'
  const point = { windowEnd, dimensions: ['s', 'DE'], status: 'PROVISIONAL', revision: 1 }
  const old = { ...point, windowStart: '2026-01-01T12:03:00.000Z', value: 1, events: '1' }
  expect((await updates.next()).value.data).toEqual({ metric: { kind: 'SNAPSHOT', points: [old] } })
  checkpoints.commit(0, [], { sessions: [session(3, 0, { retracted: true, revision: 2 }), session(2, 2)] })
  const moved = { ...point, windowStart: '2026-01-01T12:02:00.000Z', value: 2, events: '2' }
  const retracted = { ...old, value: null, events: '0', status: 'RETRACTED', revision: 2 }
  expect((await updates.next()).value.data).toEqual({ metric: { kind: 'DELTA', points: [moved, retracted] } })
  const [refusal] = (await ask('PT2M').next()).value.errors ?? []
  expect(refusal).toMatchObject({
    message: expect.stringContaining('PT1M'),
    extensions: { code: 'WINDOW_NOT_DEFINED' },
  })
})

test('a socket that is gone leaves nothing behind', async () => {
  const { ws, services } = await setUp()
  const client = connect(ws, 'Bearer read')
  await watch(client).next()
  expect(services.reader.watched()).toBe(1)
  client.terminate()
  await expect.poll(() => services.reader.watched()).toBe(0)
})

test('errors on a socket have their code, and end only their own operation', async () => {
  const { ws } = await setUp()
  const client = connect(ws, 'Bearer read')
  const healthy = watch(client)
  await healthy.next()
  const [invalid] = await watch(client, 'garbage').fails()
  expect(invalid.extensions).toEqual({ code: 'CURSOR_INVALID', retryable: false })
  const ask = (query: string) => client.iterate({ query }).next()
  await expect(ask('{ nothing }')).rejects.toMatchObject([{ extensions: { code: 'BAD_INPUT' } }])
  const { value } = await ask('mutation { trackBatch(events: []) { accepted } }')
  expect(value.errors[0].extensions.code).toBe('FORBIDDEN')
  expect((await ask('{ metrics { name } }')).value.data).toEqual({ metrics: [{ name: 'views' }] })
})

test('a deleted metric ends its subscriptions with METRIC_UNKNOWN', async () => {
  const { ws, services, checkpoints } = await setUp()
  const updates = watch(connect(ws, 'Bearer read'))
  await updates.next()
  await services.admin.remove('shop', 'views')
  checkpoints.commit(0, [row(NOON, ['DE', '/a'], 1)])
  expect((await updates.fails())[0].extensions.code).toBe('METRIC_UNKNOWN')
})

test('a socket without a known key is closed as unauthorized', async () => {
  const { ws } = await setUp()
  for (const authorization of ['', 'Bearer stolen', 'read']) {
    const ask = connect(ws, authorization).iterate({ query: '{ metrics { name } }' }).next()
    await expect(ask).rejects.toMatchObject({ code: 4401, reason: expect.stringMatching(/^UNAUTHENTICATED/) })
  }
})

test('on close sockets are told to come back', async () => {
  const { ws, handler } = await setUp()
  const closed = Promise.withResolvers<number>()
  const on = { closed: (event: unknown) => closed.resolve((event as { code: number }).code) }
  await watch(connect(ws, 'Bearer read', { on })).next()
  await handler.close()
  expect(await closed.promise).toBe(1012)
})

test('lone surrogates in events that come over a socket harm only their event', async () => {
  const { ws, collected } = await setUp()
  const query = 'mutation($list: JSON!) { trackBatch(events: $list) { accepted verdicts { index code } } }'
  const variables = {
    list: [
      { id: 'a', name: 'x' },
      { id: 'b', name: 'x', userId: '\ud800' },
    ],
  }
  const { value } = await connect(ws, 'Bearer write').iterate({ query, variables }).next()
  expect(value.data.trackBatch).toEqual({ accepted: 1, verdicts: [{ index: 1, code: 'MALFORMED' }] })
  expect(collected).toHaveLength(1)
})

/** Reads `data:` lines of an event stream as they come. */
async function* eventsOf(response: Response): AsyncGenerator<Update> {
  let text = ''
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const data = /^data: (.+)$/m.exec(text.slice(0, end))?.[1]
      text = text.slice(end + 2)
      if (data) yield JSON.parse(data).data.metric
    }
  }
}

test('a mutation over a socket is refused while there is no room for it, and holds nothing afterwards', async () => {
  const { ws, services, collected } = await setUp()
  const admission = createAdmission({ limitBytes: 10_000, highBytes: 0 })
  services.admission = admission
  const rest = admission.open()
  rest.grow(9_990)
  const query = 'mutation { trackBatch(events: [{ id: "a", name: "x" }]) { accepted } }'
  const ask = async () => (await connect(ws, 'Bearer write').iterate({ query }).next()).value
  expect((await ask()).errors).toMatchObject([{ extensions: { code: 'OVERLOADED', retryable: true } }])
  expect(collected).toEqual([])
  rest.release()
  expect((await ask()).data).toEqual({ trackBatch: { accepted: 1 } })
  expect(admission.usedBytes()).toBe(0)
})

test('over SSE a subscriber gets the same, and leaving ends the subscription', async () => {
  const { url, checkpoints, services } = await setUp()
  checkpoints.commit(0, [row(NOON, ['DE', '/a'], 1)])
  const leave = new AbortController()
  const response = await fetch(url, {
    method: 'POST',
    headers: { authorization: 'Bearer read', accept: 'text/event-stream', 'content-type': 'application/json' },
    body: JSON.stringify({ query: WATCH }),
    signal: leave.signal,
  })
  expect(response.headers.get('content-type')).toContain('text/event-stream')
  const updates = eventsOf(response)
  expect((await updates.next()).value).toMatchObject({ kind: 'SNAPSHOT', points: [{ value: 1 }] })
  checkpoints.commit(1, [row(NOON, ['DE', '/a'], 2)])
  expect((await updates.next()).value).toMatchObject({ kind: 'DELTA', points: [{ value: 3 }] })
  leave.abort()
  await expect.poll(() => services.reader.watched()).toBe(0)
})

test('over HTTP queries work by POST and GET, mutations by POST only, and keys are checked first', async () => {
  const { url } = await setUp()
  const headers = { authorization: 'Bearer admin', 'content-type': 'application/json' }
  const query = '{ metrics { name } }'
  const posted = await fetch(url, { method: 'POST', headers, body: JSON.stringify({ query }) })
  expect(await posted.json()).toEqual({ data: { metrics: [{ name: 'views' }] } })
  const got = await fetch(`${url}?query=${encodeURIComponent(query)}`, { headers: { authorization: 'Bearer read' } })
  expect(await got.json()).toEqual({ data: { metrics: [{ name: 'views' }] } })
  const mutation = encodeURIComponent('mutation { deleteMetric(name: "views") }')
  expect((await fetch(`${url}?query=${mutation}`, { headers })).status).toBe(405)
  expect(await (await fetch(url, { method: 'POST', body: '{}' })).text()).toBe('UNAUTHENTICATED')
  const broken = await fetch(url, { method: 'POST', headers, body: '{"query": "{ metrics { name } }"' })
  expect(await broken.text()).toBe('BAD_INPUT')
  const asked = await fetch(url, { method: 'OPTIONS', headers: { origin: 'https://shop.example' } })
  expect(asked.status).toBe(204)
  expect(asked.headers.get('access-control-allow-origin')).toBe('https://shop.example')
  expect(asked.headers.get('access-control-allow-credentials')).not.toBe('true')
})
