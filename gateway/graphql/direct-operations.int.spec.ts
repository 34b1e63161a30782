import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { row } from '#gateway/live/testing.ts'
import { heldCollector } from './testing.ts'
import { damagedText, serveRows } from './testing-http.ts'

const NOON = 1_767_268_800_000
const setUp = () => serveRows([row(NOON, ['DE', '/a'], 2), row(NOON, [null, '/ä'], 1)])

let site: Awaited<ReturnType<typeof setUp>>
beforeAll(async () => {
  site = await setUp()
  return site.close
})
const sameAnswers = (...args: Parameters<typeof site.sameAnswers>) => site.sameAnswers(...args)

const METRIC =
  'metric(name: "views", window: {tumbling: "PT60S"}, by: ["country"], from: "2026-01-01T00:00:00Z", to: "2026-01-02T00:00:00Z")'
const POINTS = 'points { windowStart windowEnd dimensions value events status revision sampled capped detail }'
const TYPED =
  'mutation($e: [EventInput!]!, $s: String) { trackEvents(events: $e, source: $s) { accepted verdicts(all: true) { index id status } } }'
const BATCH =
  'mutation M($e: JSON!) { a: trackBatch(events: $e) { n: accepted __typename verdicts { index code message path retryable } } }'
const request = (query: unknown, variables?: unknown, more: object = {}): string =>
  JSON.stringify({ query, variables, ...more })

describe('what is answered without yoga is what yoga answers', () => {
  test.each<[string, string]>([
    ['a query', request(`{ ${METRIC} { ${POINTS} truncated watermark asOf } }`)],
    [
      'aliases, fragments and directives',
      request(
        `query($b: Boolean!) { m: ${METRIC} { ...f truncated @skip(if: $b) } } fragment f on MetricResult { points { value } }`,
        { b: true },
      ),
    ],
    ['the schema', request('{ __schema { queryType { name } } __typename }')],
    [
      'one of two operations',
      request('query A { metrics { name } } query B { tenant { name } }', {}, { operationName: 'B' }),
    ],
    ['two operations without a name', request('query A { metrics { name } } query B { tenant { name } }')],
    ['an operation that is not there', request('query A { metrics { name } }', {}, { operationName: 'C' })],
    ['an empty name', request('query A { metrics { name } }', {}, { operationName: '' })],
    ['a name that is no text', request('query A { metrics { name } }', {}, { operationName: 1 })],
    [
      'nulls for what is optional',
      '{"query":"{ metrics { name } }","variables":null,"operationName":null,"extensions":null}',
    ],
    ['extensions', request('{ metrics { name } }', {}, { extensions: { persistedQuery: { version: 1 } } })],
    ['extensions that are none', request('{ metrics { name } }', {}, { extensions: [] })],
    ['a parameter that is unknown', request('{ metrics { name } }', {}, { doc_id: 1 })],
    ['one that is unknown and null', request('{ metrics { name } }', {}, { doc_id: null })],
    ['a prototype', '{"query":"{ metrics { name } }","__proto__":{"a":1}}'],
    ['variables that are none', request('{ metrics { name } }', [1])],
    ['variables that are text', request('{ metrics { name } }', '{}')],
    ['no query', request(undefined)],
    ['a query that is no text', request(7)],
    ['an empty query', request('')],
    ['several requests', JSON.stringify([{ query: '{ metrics { name } }' }])],
    ['null', 'null'],
    ['a number', '1'],
    ['a syntax error', request('{ metrics { name ')],
    ['an unknown field', request('{ metrics { nothing } }')],
    ['too many aliases', request(`{ ${Array.from({ length: 30 }, (_, i) => `a${i}: metrics { name }`).join(' ')} }`)],
    ['a variable that is missing', request(TYPED, {})],
    ['a variable of another type', request(TYPED, { e: 'x' })],
    ['a variable that is not used', request(BATCH, { e: [], other: 1 })],
    ['typed events', request(TYPED, { e: [{ id: 7, name: 'x', userId: null, properties: { ä: '😀' } }], s: null })],
    ['a typed event with a field that is none', request(TYPED, { e: [{ name: 'x' }, { name: 'x', colour: 1 }] })],
    ['a typed event without a name', request(TYPED, { e: [{ id: 'a' }] })],
    ['one typed event that is no list', request(TYPED, { e: { name: 'x' } })],
    ['null among typed events', request(TYPED, { e: [{ name: 'x' }, null] })],
    ['a batch', request(BATCH, { e: [{ id: 'a', name: 'x' }] })],
    [
      'a batch with a broken event in the middle',
      `{"query":${JSON.stringify(BATCH)},"variables":{"e":[{"id":"a"},{"id":"b","id":"c"},{"id":"d","n":1e999},{"id":"e"}]}}`,
    ],
    ['a batch that is no list', request(BATCH, { e: { id: 'a' } })],
    ['events in the document', request('mutation { trackBatch(events: [{id: "a"}, {id: $b}]) { accepted } }')],
    ['a metric that is unknown', request(`{ ${METRIC.replace('views', 'nothing')} { truncated } }`)],
    [
      'two fields of which one fails',
      request(`{ metrics { name } ${METRIC.replace('views', 'nothing')} { truncated } }`),
    ],
    ['a subscription', request('subscription { metric(name: "nothing", window: {tumbling: "PT1M"}) { kind } }')],
  ])('%s', (_, body) => sameAnswers(body))

  test.each(['read', 'write', 'admin'])('with the rights of a %s key', async (key) => {
    await sameAnswers(request(`{ ${METRIC} { truncated } }`), key)
    await sameAnswers(request(BATCH, { e: [] }), key)
    await sameAnswers(request('mutation { deleteMetric(name: "nothing") }'), key)
  })

  test('for a page of another origin, and for other types of body', async () => {
    const origin = { origin: 'https://shop.example' }
    await sameAnswers(request('{ metrics { name } }'), 'read', origin)
    await sameAnswers(request('{ metrics { nothing } }'), 'read', origin)
    for (const type of ['application/json; charset=utf-8', 'application/json,text/plain', 'application/graphql+json'])
      await sameAnswers(request('{ metrics { name } }'), 'read', { 'content-type': type })
    for (const type of ['application/jsonp', 'text/json']) await sameAnswers('{}', 'read', { 'content-type': type })
  })

  test('when a resolver breaks, or the store is away', async () => {
    const { services } = site
    const { durability, olap } = services
    services.durability = () => {
      throw new TypeError('a secret path')
    }
    services.olap = { ...olap, events: () => Promise.reject(new Error('a secret path')) }
    await sameAnswers(request('{ pipeline { durability } metrics { name } }'))
    await sameAnswers(request('{ events(from: "2026-01-01T00:00:00Z", to: "2026-01-02T00:00:00Z") { hasNextPage } }'))
    Object.assign(services, { durability, olap })
  })

  test('whatever is cut from a request or changed in it', async () => {
    const bodies = [request(TYPED, { e: [{ id: 'a', name: 'x' }] }), request(`{ ${METRIC} { truncated } }`)]
    await fc.assert(
      fc.asyncProperty(damagedText(bodies), (damaged) => sameAnswers(damaged)),
      { numRuns: 150 },
    )
  })
})

test('a client that leaves before its answer harms nobody', async () => {
  const { services } = site
  const { collector } = services
  const held = heldCollector()
  services.collector = held.collector
  const leave = new AbortController()
  const headers = { authorization: 'Bearer write', 'content-type': 'application/json' }
  const left = fetch(site.url, { method: 'POST', headers, body: request(BATCH, { e: [] }), signal: leave.signal })
  await held.asked
  leave.abort()
  await expect(left).rejects.toThrow()
  held.letGo()
  services.collector = collector
  expect(await site.post(request('{ metrics { name } }'), 'read', undefined)).toMatchObject({ status: 200 })
})
