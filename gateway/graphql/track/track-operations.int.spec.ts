import fc from 'fast-check'
import { Registry } from 'prom-client'
import { beforeAll, describe, expect, test } from 'vitest'
import { createCollector } from '#gateway/collect/collector.ts'
import { createCollectMetrics } from '#gateway/collect/metrics.ts'
import { PlainEvents } from '#gateway/collect/plain/events.ts'
import { createSchemaCheck } from '#gateway/collect/schema-check.ts'
import { createIntake } from '#gateway/indicators/intake.ts'
import { createFakeGeoIp, createMemoryLog } from '#gateway/testing/fakes.ts'
import { BUILTIN_SCHEMAS } from '#schema/builtin-schemas.ts'
import { LIMITS } from '#schema/limits.ts'
import { fakeServices } from '../testing.ts'
import { serveOverHttp } from '../testing-http.ts'

/** The schema over a collector that is real as far as the log. */
const setUp = async () => {
  const fakes = await fakeServices()
  const state = { away: false, plain: 0 }
  const memory = createMemoryLog(async () => {
    if (state.away) throw new Error('the log is away')
  })
  const collector = createCollector({
    log: memory.log,
    geoip: createFakeGeoIp({}),
    clock: { now: () => Date.UTC(2026, 5, 1, 12) },
    metrics: createCollectMetrics(new Registry()),
    intake: createIntake(() => 0),
    checkSchema: createSchemaCheck(BUILTIN_SCHEMAS),
    partitions: 8,
    processId: 'test',
  })
  fakes.services.collector = {
    collect(request) {
      if (request.events instanceof PlainEvents) state.plain++
      return collector.collect(request)
    },
  }
  const site = await serveOverHttp(fakes.services)
  const close = async () => {
    await site.close()
    await fakes.close()
  }
  /** Expects the answers of yoga, `taken` tells whether events went as they came. */
  const same = async (body: string, taken: boolean, key = 'write') => {
    state.plain = 0
    await site.sameAnswers(body, key, { origin: 'https://shop.example' })
    expect(state.plain > 0).toBe(taken)
  }
  return { ...memory, ...site, state, same, close }
}

let site: Awaited<ReturnType<typeof setUp>>
beforeAll(async () => {
  site = await setUp()
  return site.close
})

const TYPED =
  'mutation Send($events: [EventInput!]!, $source: String) { trackEvents(events: $events, source: $source) { accepted shed rejected verdicts(all: true) { index id status code message path retryable retryAfterMs } } }'
const BATCH =
  'mutation ($list: JSON!) { sent: trackBatch(events: $list) { n: accepted __typename verdicts { __typename index code message path } } }'
const FEW = [
  { id: 'a', name: 'page_view', properties: { path: '/ä' } },
  { id: 'b', name: 'page_view', properties: { path: 7 } },
  { id: 'c', name: 'Not A Name' },
  { id: 'd', name: 'x', time: 'yesterday' },
  { id: 'e', name: 'x', time: '1999-01-01T00:00:00Z', sessionId: 's', context: { ip: '1.2.3.4' } },
]
const request = (query: string, variables: object, more: object = {}): string =>
  JSON.stringify({ query, variables, ...more })
const spaced = (body: string): string => JSON.stringify(JSON.parse(body), null, 2)

describe('events that went into the log as they came', () => {
  test.each<[string, string]>([
    ['typed', request(TYPED, { events: FEW })],
    ['a batch, with an alias', request(BATCH, { list: FEW })],
    ['one', request(TYPED, { events: FEW.slice(0, 1) })],
    ['none', request(TYPED, { events: [] })],
    ['from a source', request(TYPED, { events: FEW, source: 'import-1' })],
    ['from no source', request(TYPED, { source: null, events: FEW })],
    ['from a source that is none', request(TYPED, { events: FEW, source: 'A Source' })],
    ['from a source in the document', request(BATCH.replace('$list)', '$list, source: "import-2")'), { list: FEW })],
    ['all of them refused', request(BATCH, { list: FEW.slice(1) })],
    ['with the name of the operation', request(TYPED, { events: FEW }, { operationName: 'Send', extensions: {} })],
    ['with no name of it', request(TYPED, { events: FEW }, { operationName: null })],
    ['variables first', JSON.stringify({ variables: { list: FEW }, query: BATCH })],
    ['with a variable that is not used', request(BATCH, { list: FEW, other: 'x' })],
    ['with space between tokens', spaced(request(BATCH, { list: FEW }))],
    [
      'with line breaks and other letters in the document',
      request(`# ä\n${BATCH.replaceAll(' ', '\n ')}`, { list: FEW }),
    ],
  ])('get the answer of the usual way: %s', (_, body) => site.same(body, true))

  test('are the same that the usual way writes', async () => {
    const body = request(TYPED, { events: FEW, source: 'shop' })
    const lines: unknown[] = []
    for (const accept of ['*/*', '*/*;charset=utf-8']) {
      const before = site.frames.length
      await site.post(body, 'write', accept)
      // A frame of nothing but counts may come between.
      const texts = site.frames.slice(before).map(({ data }) => Buffer.from(data).toString())
      lines.push(
        texts.filter((text) => text !== '').flatMap((text) => text.split('\n').map((line) => JSON.parse(line))),
      )
    }
    const [direct, usual] = lines
    expect(direct).toEqual([expect.objectContaining({ tenant: 'shop', source: 'shop', e: FEW[0] })])
    expect(direct).toEqual(usual)
  })

  test('and were not confirmed', async () => {
    site.state.away = true
    await site.same(request(TYPED, { events: FEW }), true)
    await site.same(request(BATCH, { list: FEW }), true)
    site.state.away = false
  })
})

describe('what is read in the usual way', () => {
  const typed = (events: unknown): string => request(TYPED, { events })
  test.each<[string, string]>([
    ['an event without an id', typed([{ name: 'x' }])],
    ['a typed event that has no name', typed([{ id: 'a' }])],
    ['a field that is none', typed([...FEW, { id: 'f', name: 'x', colour: 1 }, ...FEW])],
    ['null for a field', typed([{ id: 'f', name: 'x', userId: null }])],
    ['a number as an id', typed([{ id: 7, name: 'x' }])],
    ['null among events', typed([...FEW, null])],
    ['an event that is no list', typed(FEW[0])],
    ['text', typed('events')],
    ['a batch with another thing in the middle', request(BATCH, { list: [...FEW, 7, [], ...FEW] })],
    ['a key twice', request(BATCH, { list: FEW }).replace('"id":"b"', '"id":"b","id":"bb"')],
    ['half a surrogate pair', request(BATCH, { list: [...FEW, { id: '\ud800', name: 'x' }] })],
    ['a number beyond a double', request(BATCH, { list: FEW }).replace('7', '1e999')],
    ['a variable twice', request(BATCH, { list: FEW }).replace('"variables":{', '"variables":{"list":[],')],
    ['two queries', request(BATCH, { list: FEW }).replace('{"query"', '{"query":"{ metrics { name } }","query"')],
    ['a problem in another variable', request(BATCH, { list: FEW, other: '\ud800' })],
    ['another list', request(BATCH, { list: FEW, other: [] })],
    ['a source that is a number', request(TYPED, { events: FEW, source: 1 })],
    ['a source that is required', request(TYPED.replace('String)', 'String!)'), { events: FEW })],
    ['another operation', request(TYPED, { events: FEW }, { operationName: 'Receive' })],
    ['an unknown parameter', request(TYPED, { events: FEW }, { doc_id: 1 })],
    ['the events of another variable', request(BATCH, { events: FEW })],
    ['a field twice', request(BATCH.replace('n: accepted', 'n: accepted n: accepted'), { list: FEW })],
    ['a directive', request(BATCH.replace('n: accepted', 'n: accepted @skip(if: true)'), { list: FEW })],
    [
      'a fragment',
      request(`${BATCH.replace('n: accepted', '...f')} fragment f on IngestReceipt { accepted }`, { list: FEW }),
    ],
    [
      'two mutations',
      request(BATCH.replace('sent:', 'twice: trackBatch(events: $list) { accepted } sent:'), { list: FEW }),
    ],
    ['a default', request(TYPED.replace('String)', 'String = "shop")'), { events: FEW })],
    ['a document that is wrong', request(BATCH.replace('accepted', 'nothing'), { list: FEW })],
    ['a document that does not end', request(BATCH.slice(0, -1), { list: FEW })],
    ['too many events', request(BATCH, { list: Array.from({ length: LIMITS.batchEvents + 1 }, () => 0) })],
    ['something behind the request', `${request(BATCH, { list: FEW })} 1`],
  ])('%s', (_, body) => site.same(body, false))

  test('a key that may not send', () => site.same(request(BATCH, { list: FEW }), false, 'read'))
})

test('whatever is cut from a request or changed in it gets the answer of the usual way', async () => {
  const bodies = [request(TYPED, { events: FEW }), spaced(request(BATCH, { list: FEW }))]
  const piece = fc.constantFrom(
    '',
    '"',
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    'null',
    '1',
    '$',
    '\\',
    ' ',
    '\\ud800',
    'ä',
    '\n',
  )
  const damage = fc.record({ body: fc.constantFrom(...bodies), at: fc.nat(2_000), length: fc.nat(4), piece })
  await fc.assert(
    fc.asyncProperty(damage, async ({ body, at, length, piece: put }) => {
      const start = at % body.length
      const changed = body.slice(0, start) + put + body.slice(start + length)
      const answers = [undefined, '*/*;charset=utf-8'].map((accept) => site.post(changed, 'write', accept))
      expect(await answers[0]).toEqual(await answers[1])
    }),
    { numRuns: 400 },
  )
})
