import { once } from 'node:events'
import fc from 'fast-check'
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { createAdmission } from '#gateway/collect/admission.ts'
import { row } from '#gateway/live/testing.ts'
import { heldCollector } from './testing.ts'
import { damagedText, serveRows } from './testing-http.ts'
import { MOST_OPERATIONS, OfferingSocket, readSubscribe } from './websocket-operations.ts'

const NOON = 1_767_268_800_000
const METRIC =
  'metric(name: "views", window: {tumbling: "PT60S"}, by: ["country"], from: "2026-01-01T00:00:00Z", to: "2026-01-02T00:00:00Z")'
const POINTS = 'points { windowStart dimensions value events status }'
const BATCH =
  'mutation M($e: JSON!) { a: trackBatch(events: $e) { n: accepted verdicts(all: true) { index id code message path } } }'
const request = (query: unknown, variables?: unknown, more: object = {}): string =>
  JSON.stringify({ query, variables, ...more })

const setUp = () => serveRows([row(NOON, ['DE', '/a'], 2), row(NOON, ['Åland', '/ä'], 1)])
let site: Awaited<ReturnType<typeof setUp>>
beforeAll(async () => {
  site = await setUp()
  return site.close
})

interface Message {
  id?: string
  type: string
  payload?: unknown
}

/** A client that writes the protocol's messages itself. */
const connect = async (key = 'admin') => {
  const socket = new WebSocket(site.url.replace('http', 'ws'), 'graphql-transport-ws')
  onTestFinished(() => socket.terminate())
  const closed = once(socket, 'close').then(([code]) => code as number)
  await once(socket, 'open')
  const messages: Message[] = []
  const wake = new Set<() => void>()
  socket.on('message', (data) => {
    messages.push(JSON.parse(String(data)))
    for (const look of wake) look()
  })
  /** The messages of one operation once it has ended; of all, that the connection was closed. */
  const ended = async (id: string): Promise<Message[] | number> => {
    const own = () => messages.filter((message) => message.id === id)
    const done = new Promise<Message[]>((resolve) => {
      const look = () => own().some(({ type }) => type !== 'next') && resolve(own())
      wake.add(look)
      look()
    })
    return Promise.race([done, closed])
  }
  socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${key}` } }))
  await once(socket, 'message')
  expect(messages).toEqual([{ type: 'connection_ack' }])
  const send = (text: string) => socket.send(text)
  const subscribe = (id: string, body: string) => send(`{"id":"${id}","type":"subscribe","payload":${body}}`)
  const ask = (body: string, id = 'one') => {
    subscribe(id, body)
    return ended(id)
  }
  /** Asks the protocol's implementation: it is written as no client does. */
  const askOtherwise = (body: string) => {
    send(` {"id":"one","type":"subscribe","payload":${body}}`)
    return ended('one')
  }
  return { socket, messages, closed, send, subscribe, ended, ask, askOtherwise }
}

/** Unforeseen errors have an id each. */
const withoutIds = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value).replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'ID'))

/** What a POST of the body says. */
const overHttp = async (body: string, key: string): Promise<unknown> =>
  JSON.parse((await site.post(body, key, undefined)).text)

/** Expects the answer of a POST, in the protocol's messages. */
const sameAsOverHttp = async (body: string, key = 'admin'): Promise<void> => {
  const told = await (await connect(key)).ask(body)
  expect(withoutIds(told)).toEqual([
    { id: 'one', type: 'next', payload: await overHttp(body, key) },
    { id: 'one', type: 'complete' },
  ])
}

describe('an operation over a socket is answered as one over HTTP', () => {
  test.each<[string, string]>([
    ['a query', request('{ metrics { name } tenant { name } }')],
    ['a query of metrics', request(`{ ${METRIC} { ${POINTS} truncated watermark asOf } }`)],
    [
      'one of two operations',
      request('query A { metrics { name } } query B { tenant { name } }', {}, { operationName: 'B' }),
    ],
    ['events', request(BATCH, { e: [{ id: 'a', name: 'x', userId: 'ä😀' }] })],
    [
      'events of which some are none',
      request(BATCH, { e: [{ id: 'a', name: 'x' }, 1, { id: 'b', name: 'x', id2: 1 }] }),
    ],
    [
      'a key that comes twice in an event',
      `{"query":${JSON.stringify(BATCH)},"variables":{"e":[{"id":"a","name":"x"},{"id":"b","id":"c","name":"x"}]}}`,
    ],
    ['events in the document', request('mutation { trackBatch(events: [{id: "a", name: "x"}]) { accepted } }')],
    ['a variable of another type', request(BATCH, { e: null })],
    ['a metric that is unknown', request(`{ ${METRIC.replace('views', 'nothing')} { truncated } }`)],
    ['two fields of which one fails', request(`{ metrics { name } ${METRIC.replace('views', 'no')} { truncated } }`)],
  ])('%s', async (_, body) => {
    await sameAsOverHttp(body)
    // Again, as somebody has asked the same before.
    await sameAsOverHttp(body)
  })

  test('with the rights of the key that the connection was opened with', async () => {
    for (const key of ['read', 'write']) {
      await sameAsOverHttp(request(`{ ${METRIC} { truncated } }`), key)
      await sameAsOverHttp(request(BATCH, { e: [{ id: 'a', name: 'x' }] }), key)
    }
  })

  test('when a resolver breaks', async () => {
    const { services } = site
    const { durability } = services
    services.durability = () => {
      throw new TypeError('a secret path')
    }
    const body = request('{ pipeline { durability } metrics { name } }')
    const told = await (await connect()).ask(body)
    expect(withoutIds(told)).toMatchObject([
      { type: 'next', payload: await overHttp(body, 'admin') },
      { type: 'complete' },
    ])
    Object.assign(services, { durability })
  })

  test('whatever is cut from it or changed in it', async () => {
    const bodies = [request(BATCH, { e: [{ id: 'a', name: 'x' }] }), request(`{ ${METRIC} { truncated } }`)]
    await fc.assert(
      fc.asyncProperty(damagedText(bodies), async (damaged) => {
        const client = await connect()
        const told = await client.ask(damaged)
        client.socket.terminate()
        // What is no message of the protocol closes the connection.
        if (typeof told === 'number') {
          expect(told).toBe(4400)
          return
        }
        // What is left to the protocol's implementation is answered as that does, which ignores what it does not know.
        const posted = await overHttp(damaged, 'admin').catch(() => null)
        const [left] = (await (await connect()).askOtherwise(damaged)) as Message[]
        const [first] = told
        expect([{ ...first, type: 'next', payload: posted }, left].map(withoutIds)).toContainEqual(withoutIds(first))
      }),
      { numRuns: 150 },
    )
  })
})

describe('the state of the connection', () => {
  /** A mutation that is under way until it is let go. */
  const hold = () => {
    const { services } = site
    const { collector } = services
    const held = heldCollector()
    services.collector = held.collector
    onTestFinished(() => void Object.assign(services, { collector }))
    return held
  }
  const events = request(BATCH, { e: [{ id: 'a', name: 'x' }] })

  test('nothing is answered before the connection is acknowledged', async () => {
    const socket = new WebSocket(site.url.replace('http', 'ws'), 'graphql-transport-ws')
    await once(socket, 'open')
    socket.send(`{"id":"one","type":"subscribe","payload":${request('{ metrics { name } }')}}`)
    expect((await once(socket, 'close'))[0]).toBe(4401)
  })

  test('an id that is in use closes the connection, and one that is free again does not', async () => {
    const { asked, letGo } = hold()
    const client = await connect()
    client.subscribe('one', events)
    await asked
    client.subscribe('one', request('{ metrics { name } }'))
    expect(await client.closed).toBe(4409)
    letGo()
    const other = await connect()
    for (let i = 0; i < 3; i++) {
      other.messages.length = 0
      expect(await other.ask(request('{ metrics { name } }'))).toHaveLength(2)
    }
  })

  test('who says that it is enough hears no more of it', async () => {
    const { asked, letGo } = hold()
    const client = await connect()
    client.subscribe('one', events)
    await asked
    client.send('{"id":"one","type":"complete"}')
    expect(await client.ask(request('{ metrics { name } }'), 'two')).toHaveLength(2)
    letGo()
    expect(await client.ask(request('{ metrics { name } }'), 'three')).toHaveLength(2)
    expect(client.messages.filter(({ id }) => id === 'one')).toEqual([])
  })

  test('a client that leaves before its answer harms nobody, and holds nothing', async () => {
    const { asked, letGo } = hold()
    const admission = createAdmission({ limitBytes: 100_000, highBytes: 0 })
    site.services.admission = admission
    const client = await connect()
    client.subscribe('one', events)
    await asked
    expect(admission.usedBytes()).toBe(events.length)
    client.socket.terminate()
    await client.closed
    letGo()
    await expect.poll(() => admission.usedBytes()).toBe(0)
    site.services.admission = undefined
    expect(await (await connect()).ask(request('{ metrics { name } }'))).toHaveLength(2)
  })

  test('one operation more than a connection may have is refused, and the others go on', async () => {
    const { asked, letGo } = hold()
    const client = await connect()
    for (let i = 0; i < MOST_OPERATIONS; i++) client.subscribe(`${i}`, events)
    await asked
    expect(await client.ask(events, 'more')).toMatchObject([
      { type: 'error', payload: [{ extensions: { code: 'RATE_LIMITED' } }] },
    ])
    letGo()
    expect(await client.ended('99')).toMatchObject([{ type: 'next', payload: { data: { a: { n: 1 } } } }, {}])
    expect(await client.ask(request('{ metrics { name } }'), 'again')).toHaveLength(2)
  })
})

describe('which messages are taken', () => {
  /** How many messages got as far as the protocol's implementation. */
  const passedOn = async (texts: string[]): Promise<number> => {
    const client = await connect()
    let passed = 0
    const emit = vi.spyOn(Object.getPrototypeOf(OfferingSocket.prototype), 'emit')
    emit.mockImplementation(function (this: WebSocket, ...args: unknown[]) {
      if (args[0] === 'message' && this instanceof OfferingSocket) passed++
      return (Object.getPrototypeOf(WebSocket.prototype).emit as (...all: unknown[]) => boolean).apply(this, args)
    })
    onTestFinished(() => emit.mockRestore())
    for (const text of texts) client.send(text)
    await client.ask(request('{ tenant { name } }'), 'last')
    return passed
  }
  const query = request(`{ ${METRIC} { ${POINTS} } }`)

  test('queries and mutations as clients write them', async () => {
    const texts = [query, request(BATCH, { e: [{ id: 'a', name: 'x' }] }), request('{ metrics { name } }')]
    expect(await passedOn(texts.map((body, i) => `{"id":"q-${i}","type":"subscribe","payload":${body}}`))).toBe(0)
  })

  test('no subscriptions, nothing else of the protocol, and nothing that is written otherwise', async () => {
    const watch = request('subscription { metric(name: "views", window: {tumbling: "PT1M"}) { kind } }')
    const texts = [
      `{"id":"a","type":"subscribe","payload":${watch}}`,
      '{"id":"a","type":"complete"}',
      '{"type":"ping"}',
      `{"type":"subscribe","id":"b","payload":${query}}`,
      ` {"id":"c","type":"subscribe","payload":${query}}`,
      `{"id":"d\\u0020","type":"subscribe","payload":${query}}`,
      `{"id":"e","type":"subscribe","payload":${request('{ nothing }')}}`,
    ]
    expect(await passedOn(texts)).toBe(texts.length)
  })

  test.each([
    '{"id":"","type":"subscribe","payload":{}}',
    '{"id":"a","type":"subscribe","payload":[]}',
    '{"id":"a","type":"subscribe","payload":{"query":""}} ',
    '{"id":"a","type":"subscribe"',
    '{"id":"a',
    '{}',
    '',
  ])('not %j', (text) => expect(readSubscribe(Buffer.from(text))).toBeNull())

  test('the payload is what stands between', () => {
    expect(readSubscribe(Buffer.from('{"id":"a-1","type":"subscribe","payload":{"query":"ä"}}'))).toEqual({
      id: 'a-1',
      payload: Buffer.from('{"query":"ä"}'),
    })
  })
})
