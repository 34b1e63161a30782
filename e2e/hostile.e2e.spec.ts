import { gzipSync } from 'node:zlib'
import { createClient } from 'graphql-ws'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { WebSocket } from 'ws'
import { ask, type GraphqlAnswer, postGraphql, readMetric, total } from '#infra/testing/graphql.ts'
import { startProduct, type TestProduct } from '#infra/testing/product.ts'
import { openStore, type Store } from '#infra/testing/store.ts'
import { LIMITS } from '#schema/limits.ts'
import { HOSTILE_EVENTS, ODD_PROPERTIES } from './lib/hostile.ts'
import { postEvents, type Receipt } from './lib/track.ts'

let product: TestProduct
let store: Store
let pids: Record<string, number>
/** Ids of the events that were accepted. */
const accepted: string[] = []

beforeAll(async () => {
  product = await startProduct()
  store = await openStore(product)
  pids = product.pids()
})
afterAll(async () => {
  await store?.[Symbol.asyncDispose]()
  await product?.[Symbol.asyncDispose]()
})

let made = 0
const good = (): { id: string; text: string } => {
  const id = `good-${made++}`
  return { id, text: JSON.stringify({ id, name: 'page_view', properties: ODD_PROPERTIES }) }
}

const join = (parts: (string | Buffer)[]): Buffer<ArrayBuffer> => Buffer.concat(parts.map((part) => Buffer.from(part)))

/** A hostile event between two good ones. */
const between = (hostile: string | Buffer, separator: string) => {
  const [before, after] = [good(), good()]
  return { ids: [before.id, after.id], text: join([before.text, separator, hostile, separator, after.text]) }
}

const expectHarmlessTo = (ids: string[], receipt: Receipt | undefined, code: string): void => {
  expect(receipt).toMatchObject({ accepted: 2, rejected: 1, verdicts: [{ index: 1, code }] })
  accepted.push(...ids)
}

const MUTATIONS = {
  trackBatch: 'mutation ($events: JSON!) { track: trackBatch(events: $events) { ...All } }',
  trackEvents: 'mutation ($events: [EventInput!]!) { track: trackEvents(events: $events) { ...All } }',
}
const FRAGMENT = 'fragment All on IngestReceipt { accepted rejected verdicts { index id code path } }'

const mutate = (
  name: keyof typeof MUTATIONS,
  events: Buffer<ArrayBuffer>,
): Promise<GraphqlAnswer<{ track: Receipt }>> => {
  const query = JSON.stringify(`${MUTATIONS[name]} ${FRAGMENT}`)
  const body = join([`{"query":${query},"variables":{"events":[`, events, ']}}'])
  return postGraphql(product.endpoints.graphql, product.keys.writeKey, body)
}

const codeOf = ({ errors }: GraphqlAnswer): string | undefined => errors?.[0].extensions.code

it.each(HOSTILE_EVENTS)('$what is refused alone by the collector', async ({ text, code }) => {
  const { ids, text: lines } = between(text, '\n')
  expectHarmlessTo(ids, await postEvents(product, product.keys.writeKey, lines), code)
})

it.each(HOSTILE_EVENTS)('$what is refused by trackBatch', async ({ text, code, batch }) => {
  const { ids, text: events } = between(text, ',')
  const answer = await mutate('trackBatch', events)
  if (batch) expect(codeOf(answer)).toBe(batch)
  else expectHarmlessTo(ids, answer.data?.track, code)
})

it.each(HOSTILE_EVENTS)('$what is refused by trackEvents', async ({ text, code, typed }) => {
  const { ids, text: events } = between(text, ',')
  const answer = await mutate('trackEvents', events)
  if (typed) expect(codeOf(answer)).toBe(typed)
  else expectHarmlessTo(ids, answer.data?.track, code)
})

/** A body of exactly so many bytes with one good event. */
const bodyOf = (bytes: number): string => good().text.padEnd(bytes, ' ')

it('1 MB + 1 byte is too large, for the collector and for GraphQL', async () => {
  const { writeKey } = product.keys
  const body = bodyOf(LIMITS.requestBytes + 1)
  expect(await postEvents(product, writeKey, body)).toMatchObject({ status: 413, error: { code: 'TOO_LARGE' } })
  const answer = await postGraphql(product.endpoints.graphql, writeKey, body)
  expect([answer.status, codeOf(answer)]).toEqual([413, 'TOO_LARGE'])
})

it('a gzip bomb is too large, for the collector and for GraphQL', async () => {
  const { writeKey } = product.keys
  const body = gzipSync(Buffer.alloc(100_000_000, ' '))
  const packed = { 'content-encoding': 'gzip' }
  expect(await postEvents(product, writeKey, body, packed)).toMatchObject({ status: 413, error: { code: 'TOO_LARGE' } })
  const answer = await postGraphql(product.endpoints.graphql, writeKey, body, packed)
  expect([answer.status, codeOf(answer)]).toEqual([413, 'TOO_LARGE'])
})

it('nobody writes without a key, with a wrong one, or with one that reads', async () => {
  const { readToken } = product.keys
  for (const [key, status, code] of [
    [null, 401, 'UNAUTHENTICATED'],
    ['mr_write_wrong', 401, 'UNAUTHENTICATED'],
    [readToken, 403, 'FORBIDDEN'],
  ] as const) {
    expect(await postEvents(product, key, good().text)).toMatchObject({ status, error: { code } })
    const query = 'mutation { trackEvents(events: [{ name: "page_view" }]) { accepted } }'
    const answer = await postGraphql(product.endpoints.graphql, key, JSON.stringify({ query }))
    expect(codeOf(answer)).toBe(code)
  }
})

it.each([
  '{ metrics { name } }',
  '{ metric(name: "page_views", window: { tumbling: "PT1H" }, from: "2020-01-01T00:00:00Z", to: "2030-01-01T00:00:00Z") { asOf } }',
  '{ events(from: "2020-01-01T00:00:00Z", to: "2030-01-01T00:00:00Z") { nodes { id } } }',
  '{ deadLetters { total } }',
  '{ pipeline { asOf } }',
  '{ tenant { name } }',
  'mutation { deleteMetric(name: "page_views") }',
])('a write key may not ask %s', async (query) => {
  const answer = await postGraphql(product.endpoints.graphql, product.keys.writeKey, JSON.stringify({ query }))
  expect(codeOf(answer)).toBe('FORBIDDEN')
})

it('a write key may not subscribe', async () => {
  const client = createClient({
    url: product.endpoints.ws,
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${product.keys.writeKey}` },
    retryAttempts: 0,
  })
  const query = 'subscription { metric(name: "page_views", window: { tumbling: "PT1H" }) { kind } }'
  const answers = client.iterate({ query })
  expect((await answers.next()).value).toMatchObject({ errors: [{ extensions: { code: 'FORBIDDEN' } }] })
  await client.dispose()
})

it('beside all that the good events count, once and as they were sent, and every process is the same as before', async () => {
  expect(accepted.length).toBeGreaterThan(2 * HOSTILE_EVENTS.length)
  const [from, to] = [Date.now() - 3_600_000, Date.now() + 3_600_000].map((ms) => new Date(ms).toISOString())
  const metric = { name: 'page_views', window: 'PT1H', by: [] }
  await vi.waitFor(
    async () => {
      const stored = await store.sql('SELECT id FROM raw_events')
      expect(stored.map(([id]) => id).sort()).toEqual([...accepted].sort())
      expect(total((await readMetric(product, metric, { from, to })).values())).toBe(accepted.length)
    },
    { timeout: 30_000 },
  )
  expect(await store.sql('SELECT DISTINCT tenant, source, weight FROM raw_events')).toEqual([['main', 'live', 1]])
  expect(await store.totals()).toEqual({ stored: accepted.length, late: 0, duplicate: 0, invalid: 0 })
  const query = 'query ($from: DateTime!, $to: DateTime!) { events(from: $from, to: $to) { nodes { properties } } }'
  const { events } = await ask<{ events: { nodes: { properties: unknown }[] } }>(product, query, { from, to })
  for (const { properties } of events.nodes) expect(properties).toEqual(ODD_PROPERTIES)
  expect(product.pids()).toEqual(pids)
})
