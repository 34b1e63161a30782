import { expect, onTestFinished, test } from 'vitest'
import { createIndicators } from '#gateway/indicators/indicators.ts'
import { row, TENANT } from '#gateway/live/testing.ts'
import type { AggregateRow } from '#schema/checkpoint.ts'
import { bucketOf } from '#schema/measures/quantiles.ts'
import type { MeasureKind } from '#schema/metric.ts'
import type { CorrectionsQuery } from '#schema/olap.ts'
import { fakeServices, serveSchema } from './testing.ts'

const NOON = 1_767_268_800_000

const setUp = async () => {
  const fakes = await fakeServices()
  onTestFinished(() => fakes.close())
  return { ...fakes, ...serveSchema(fakes.services) }
}

const VIEWS =
  '{ metric(name: "views", window: {tumbling: "PT60S"}, by: ["country"], from: "2026-01-01T00:00:00Z", to: "2026-01-02T00:00:00Z")'
const code = (body: { errors?: { extensions: { code: string } }[] }) =>
  body.errors?.map(({ extensions }) => extensions.code)

test('a metric is answered in the forms of the contract', async () => {
  const { ask, checkpoints } = await setUp()
  checkpoints.commit(0, [row(NOON, ['DE', '/a'], 2), row(NOON, [null, '/a'], 1)])
  const { data } = await ask(
    'READ',
    `${VIEWS} { truncated asOf watermark points { windowStart windowEnd dimensions value events status revision sampled capped } } }`,
  )
  expect(data.metric).toMatchObject({ truncated: false, watermark: null })
  expect(data.metric.points).toEqual(
    [
      [null, 1],
      ['DE', 2],
    ].map(([country, count]) => ({
      windowStart: '2026-01-01T12:00:00.000Z',
      windowEnd: '2026-01-01T12:01:00.000Z',
      dimensions: [country],
      value: count,
      events: String(count),
      status: 'PROVISIONAL',
      revision: 1,
      sampled: 1,
      capped: false,
    })),
  )
})

test('a metric is defined, listed and deleted by an admin', async () => {
  const { ask } = await setUp()
  const define = `mutation($input: MetricInput!) { defineMetric(input: $input) { name version measure { kind field } windows { kind size } where { field op value } } }`
  const input = {
    name: 'spent',
    event: 'conversion',
    where: [{ field: 'country', op: 'IN', value: ['DE', 'AT'] }],
    measure: { sum: 'properties.amount' },
    windows: [{ tumbling: 'PT3600S' }],
  }
  expect((await ask('ADMIN', define, { input })).data.defineMetric).toEqual({
    name: 'spent',
    version: 1,
    measure: { kind: 'SUM', field: 'properties.amount' },
    windows: [{ kind: 'TUMBLING', size: 'PT1H' }],
    where: input.where,
  })
  expect((await ask('READ', '{ metrics { name } }')).data.metrics).toEqual([{ name: 'spent' }, { name: 'views' }])
  expect((await ask('ADMIN', 'mutation { deleteMetric(name: "spent") }')).data.deleteMetric).toBe(true)
  expect((await ask('READ', '{ metrics { name } }')).data.metrics).toEqual([{ name: 'views' }])
  const wrong = await ask('ADMIN', define, { input: { ...input, dimensions: ['colour'] } })
  expect(code(wrong)).toEqual(['BAD_INPUT'])
})

const DAY = 'from: "2026-01-01T00:00:00Z", to: "2026-01-02T00:00:00Z"'

test.each([
  ['quantiles: "properties.ms"', { kind: 'QUANTILES', field: 'properties.ms', k: null }],
  ['topK: {of: "properties.path"}', { kind: 'TOPK', field: 'properties.path', k: 10 }],
  ['topK: {of: "properties.path", k: 3}', { kind: 'TOPK', field: 'properties.path', k: 3 }],
  ['uniques: "userId"', { kind: 'UNIQUES', field: 'userId', k: null }],
])('a metric measures %s', async (measure, defined) => {
  const { ask } = await setUp()
  const input = `{name: "m", event: "*", measure: {${measure}}, windows: [{tumbling: "PT1M"}]}`
  const { data } = await ask('ADMIN', `mutation { defineMetric(input: ${input}) { measure { kind field k } } }`)
  expect(data.defineMetric.measure).toEqual(defined)
})

test('what several numbers say stands in detail, and what was shed in sampled', async () => {
  const { ask, checkpoints, services } = await setUp()
  const common = { event: '*', where: [], dimensions: [], windows: [{ kind: 'TUMBLING', sizeMs: 60_000 }] as const }
  const define = (name: string, kind: MeasureKind) =>
    services.admin.define(TENANT, { ...common, name, windows: [...common.windows], measure: { kind, field: 'os' } })
  await define('slow', 'QUANTILES')
  await define('systems', 'TOPK')
  const one = (metric: string, over: Partial<AggregateRow>) => row(NOON, [], 2, { metric, ...over })
  checkpoints.commit(0, [
    one('slow', { min: 5, max: 5, buckets: [[bucketOf(5), 2]] }),
    one('systems', {
      items: [
        ['Linux', 1],
        ['Mac', 2],
      ],
      n: 8,
      shed: 6,
    }),
  ])
  checkpoints.commit(1, [one('systems', { items: [['Linux', 3]], error: 1 })])
  const points = async (name: string) => {
    const asked = `metric(name: "${name}", window: {tumbling: "PT1M"}, ${DAY}) { points { value detail sampled } }`
    return (await ask('READ', `{ ${asked} }`)).data.metric.points
  }
  expect(await points('slow')).toEqual([{ value: null, detail: { p50: 5, p90: 5, p99: 5 }, sampled: 1 }])
  const detail = [
    { value: 'Linux', count: 4, error: 1 },
    { value: 'Mac', count: 2, error: 1 },
  ]
  expect(await points('systems')).toEqual([{ value: null, detail, sampled: 0.4 }])
})

test('corrections are asked of the store for the tenant of the key, and a time or a page that is none is named', async () => {
  const { ask, services } = await setUp()
  const asked: CorrectionsQuery[] = []
  services.olap.corrections = async (query) => {
    asked.push(query)
    const point = { windowStart: NOON, windowEnd: NOON + 60_000, dimensions: ['NL', null], at: NOON + 90_000 }
    return {
      nodes: [{ metric: 'views', version: 1, ...point, from: 2.5, to: 4, events: 3 }],
      endCursor: 'c',
      hasNextPage: true,
    }
  }
  const fields = 'nodes { metric windowStart windowEnd dimensions at from to events } endCursor hasNextPage'
  const { data } = await ask('READ', `{ corrections(metric: "views", ${DAY}, first: 1, after: "b") { ${fields} } }`)
  const point = {
    windowStart: new Date(NOON).toISOString(),
    windowEnd: new Date(NOON + 60_000).toISOString(),
    at: new Date(NOON + 90_000).toISOString(),
    dimensions: ['NL', null],
  }
  expect(data.corrections).toEqual({
    nodes: [{ metric: 'views', ...point, from: 2.5, to: 4, events: '3' }],
    endCursor: 'c',
    hasNextPage: true,
  })
  expect(asked).toMatchObject([{ tenant: TENANT, metric: 'views', first: 1, after: 'b' }])
  for (const [args, told] of [
    [`${DAY}, first: 0`, 'first is 0'],
    ['from: "yesterday", to: "2026-01-01T00:00:00Z"', 'from'],
  ]) {
    const { errors } = await ask('READ', `{ corrections(${args}) { hasNextPage } }`)
    expect(errors?.[0].message).toContain(told)
  }
  expect(asked).toHaveLength(1)
})

test('a write key reads nothing, a read token sends and defines nothing', async () => {
  const { ask } = await setUp()
  const read = [
    '{ metrics { name } }',
    `${VIEWS} { truncated } }`,
    '{ pipeline { durability } }',
    '{ tenant { name } }',
    `{ corrections(${DAY}) { hasNextPage } }`,
  ]
  for (const query of read) expect(code(await ask('WRITE', query))).toEqual(['FORBIDDEN'])
  const send = 'mutation { trackBatch(events: []) { accepted } }'
  expect(code(await ask('READ', send))).toEqual(['FORBIDDEN'])
  expect(code(await ask('WRITE', 'mutation { deleteMetric(name: "views") }'))).toEqual(['FORBIDDEN'])
  expect(code(await ask('READ', 'mutation { deleteMetric(name: "views") }'))).toEqual(['FORBIDDEN'])
  expect((await ask('ADMIN', send)).data.trackBatch.accepted).toBe(0)
})

test('events reach the collector as they were sent, with what is wrong with the text of each', async () => {
  const { post, collected } = await setUp()
  const query =
    'mutation($list: JSON!) { trackBatch(events: $list, source: "import-1") { accepted rejected verdicts(all: true) { index status code } } }'
  const text = `{"query": ${JSON.stringify(query)}, "variables": {"list": [{"id": "a", "name": "x"}, {"id": "b", "id": "c", "name": "x"}]}}`
  const { body } = await post('WRITE', text)
  expect(body.data.trackBatch).toEqual({
    accepted: 1,
    rejected: 1,
    verdicts: [
      { index: 0, status: 'ACCEPTED', code: null },
      { index: 1, status: 'REJECTED', code: 'MALFORMED' },
    ],
  })
  expect(collected[0]).toMatchObject({
    tenant: 'shop',
    source: 'import-1',
    events: [{ id: 'a', name: 'x' }, { id: 'c' }],
  })
})

test('typed events leave out what is null, and a time that is none is left to the collector', async () => {
  const { ask, collected } = await setUp()
  const query = 'mutation($events: [EventInput!]!) { trackEvents(events: $events) { accepted verdicts { index } } }'
  const events = [{ name: 'x', userId: null, time: 'yesterday', properties: { a: [1, null] } }]
  expect((await ask('WRITE', query, { events })).data.trackEvents).toEqual({ accepted: 1, verdicts: [] })
  expect(collected[0]).toMatchObject({ source: 'live' })
  expect(collected[0].events).toEqual([{ name: 'x', time: 'yesterday', properties: { a: [1, null] } }])
})

test('what is wrong with the text around the events refuses the whole request', async () => {
  const { post, collected } = await setUp()
  const query = JSON.stringify('mutation($a: JSON!, $b: JSON) { trackBatch(events: $a) { accepted } }')
  const { body } = await post('WRITE', `{"query": ${query}, "variables": {"a": [], "b": [{"x": 1, "x": 2}]}}`)
  expect(code(body)).toEqual(['BAD_INPUT'])
  expect(collected).toEqual([])
})

test.each([
  ['a syntax error', '{ metrics { name }'],
  ['a field that does not exist', '{ nothing }'],
  ['a batch that is no array', 'mutation { trackBatch(events: {a: 1}) { accepted } }'],
  ['a number beyond a double', 'mutation { trackBatch(events: [{a: 1e999}]) { accepted } }'],
  [
    'two measures at once',
    'mutation { defineMetric(input: {name: "m", event: "*", measure: {count: true, sum: "properties.a"}, windows: []}) { name } }',
  ],
  [
    'a time that is none',
    '{ metric(name: "views", window: {tumbling: "PT1M"}, from: "2026", to: "2027-01-01T00:00:00Z") { truncated } }',
  ],
  [
    'a duration below a second',
    '{ metric(name: "views", window: {tumbling: "PT0.5S"}, from: "2026-01-01T00:00:00Z", to: "2026-01-01T00:00:00Z") { truncated } }',
  ],
  ['a document that nests very deep', `{ metrics { name(a: ${'['.repeat(50_000)}) } }`],
  ['many aliases', `{ ${Array.from({ length: 30 }, (_, i) => `a${i}: metrics { name }`).join(' ')} }`],
  ['a fragment that spreads itself', '{ metrics { ...f } } fragment f on Metric { name ...f }'],
])('%s is BAD_INPUT', async (_, query) => {
  const { ask, logged } = await setUp()
  const body = await ask('ADMIN', query)
  expect(new Set(code(body))).toEqual(new Set(['BAD_INPUT']))
  expect(logged).toEqual([])
})

test('errors carry their code, and status where nothing was answered', async () => {
  const { post, services, logged } = await setUp()
  const unknown = VIEWS.replace('"views"', '"nothing"')
  const ask = (query: string) => post('READ', JSON.stringify({ query }))
  expect(await ask(`${unknown} { truncated } }`)).toMatchObject({
    status: 404,
    body: { errors: [{ extensions: { code: 'METRIC_UNKNOWN', retryable: false, metrics: ['views'] } }] },
  })
  services.olap.events = () => Promise.reject(new Error('a secret path'))
  const away = await ask('{ events(from: "2026-01-01T00:00:00Z", to: "2026-01-02T00:00:00Z") { hasNextPage } }')
  expect(away).toMatchObject({ status: 503, body: { errors: [{ extensions: { code: 'UNAVAILABLE' } }] } })
  expect(logged).toHaveLength(1)
  services.durability = () => {
    throw new TypeError('a secret path')
  }
  const { body } = await ask('{ pipeline { durability } }')
  expect(code(body)).toEqual(['INTERNAL'])
  expect(JSON.stringify([away.body, body])).not.toMatch(/secret/)
  expect(logged.at(-1)).toMatchObject({ id: body.errors[0].extensions.id })
})

test('several operations in one request are refused', async () => {
  const { post } = await setUp()
  const { body, status } = await post('READ', '[{"query": "{ metrics { name } }"}, {"query": "{ metrics { name } }"}]')
  expect([status, code(body)]).toEqual([400, ['BAD_INPUT']])
})

test('the pipeline has the indicators, with the dead letters of the own tenant only', async () => {
  const { ask, services } = await setUp()
  const fields =
    'eventProcessingLatencyP99 consumerLagSeconds dashboardFreshnessLag eventDropRate dlqEventCount keptShare sheddingSince'
  const before = await ask('READ', `{ pipeline { ${fields} } }`)
  const unknown = { eventProcessingLatencyP99: 0, consumerLagSeconds: 0, dashboardFreshnessLag: 0, eventDropRate: 0 }
  expect(before.data.pipeline).toEqual({ ...unknown, dlqEventCount: '0', keptShare: 1, sheddingSince: null })
  services.reports.storage = () => ({
    positions: [],
    deadLetters: 9,
    deadLettersByTenant: { shop: 2, other: 7 },
    at: NOON - 5_000,
  })
  const markers = { latencyP99: () => 0.25, oldest: () => ({ settled: 2, shown: 3, stored: 4 }) }
  services.indicators = createIndicators({ ...services, markers, intake: { dropRate: () => 0.125 } })
  const { data } = await ask('READ', `{ pipeline { ${fields} } }`)
  expect(data.pipeline).toMatchObject({
    eventProcessingLatencyP99: 0.25,
    consumerLagSeconds: 2,
    dashboardFreshnessLag: 3,
    eventDropRate: 0.125,
    dlqEventCount: '2',
  })
  expect([services.indicators.dlqEventCount(), services.indicators.dlqEventCount('constructor')]).toEqual([9, 0])
  expect(services.indicators.dlqAgeSeconds()).toBe(5)
})

test('the pipeline says what is shed of the tenant: where, in what share, since when and why', async () => {
  const { ask, services } = await setUp()
  const question = '{ pipeline { keptShare sheddingSince shedding { partition share since reason } } }'
  services.shed = {
    of: (tenant) => [
      { tenant, partition: 0, share: 0.5, since: NOON, reason: '6.0 s behind' },
      { tenant, partition: 1, share: 0.25, since: NOON - 5_000, reason: '9.0 s behind' },
    ],
  }
  const { data } = await ask('READ', question)
  expect(data.pipeline).toEqual({
    keptShare: 0.375,
    sheddingSince: '2026-01-01T11:59:55.000Z',
    shedding: [
      { partition: 0, share: 0.5, since: '2026-01-01T12:00:00.000Z', reason: '6.0 s behind' },
      { partition: 1, share: 0.25, since: '2026-01-01T11:59:55.000Z', reason: '9.0 s behind' },
    ],
  })
  services.shed = { of: () => [] }
  const { data: after } = await ask('READ', question)
  expect(after.pipeline).toEqual({ keptShare: 1, sheddingSince: null, shedding: [] })
})

test('the pipeline says how long things are kept', async () => {
  const { ask } = await setUp()
  const { data } = await ask('READ', '{ pipeline { kept { what hours } } }')
  expect(data.pipeline.kept).toEqual(
    expect.arrayContaining([
      { what: 'log', hours: 168 },
      { what: 'aggregates', hours: 24 },
      { what: 'raw_events', hours: 720 },
      { what: 'archive', hours: 8_760 },
    ]),
  )
})

test('the pipeline tells of every partition, also of those that nobody owns', async () => {
  const { ask, services, checkpoints } = await setUp()
  const clock = { tenant: 'shop', source: 'live', watermark: NOON, idle: false }
  const report = {
    partition: 1,
    owner: 'p-1',
    epoch: 1,
    checkpoint: 0,
    sequence: 0,
    pendingFrames: 0,
    pendingEvents: 0,
  }
  services.reports.partitions = () => [
    { ...report, lagSeconds: 0.5, clocks: [clock, { ...clock, tenant: 'other' }], at: NOON },
  ]
  checkpoints.commit(0, [])
  const { data } = await ask(
    'READ',
    '{ pipeline { consumerLagSeconds eventsPerSecond durability partitions { partition owner source watermark pendingEvents idle heldBy } } }',
  )
  expect(data.pipeline).toEqual({
    consumerLagSeconds: 0.5,
    eventsPerSecond: 0,
    durability: 'FSYNCED',
    partitions: [
      expect.objectContaining({
        partition: 0,
        owner: null,
        heldBy: 'no processor owns the partition: this gateway has heard of none',
      }),
      {
        partition: 1,
        owner: 'p-1',
        source: 'live',
        watermark: '2026-01-01T12:00:00.000Z',
        pendingEvents: '0',
        idle: false,
        heldBy: expect.stringContaining('no event has pushed it since'),
      },
    ],
  })
})
