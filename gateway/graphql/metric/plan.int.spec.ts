import fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import type { RangeResult } from '#gateway/live/metric-reader.ts'
import { row } from '#gateway/live/testing.ts'
import { serveRows } from '../testing-http.ts'
import { metricRequests } from './testing.ts'

const NOON = 1_767_268_800_000
const VIEWS = `{
  metric(name: "views", window: {tumbling: "PT60S"}, by: ["country"], from: "2026-01-01T00:00:00Z", to: "2026-01-02T00:00:00Z") {
    points { dimensions value status }
  }
}`

const setUp = () =>
  serveRows([row(NOON, ['DE', '/a'], 2), row(NOON, [null, '/ä'], 1), row(NOON + 60_000, ['日本', '"'], 7)])

let site: Awaited<ReturnType<typeof setUp>>
beforeAll(async () => {
  site = await setUp()
  return site.close
})

test('metrics are answered by a plan as yoga answers them', async () => {
  await fc.assert(
    fc.asyncProperty(metricRequests, (request) => site.sameAnswers(JSON.stringify(request), 'read')),
    { numRuns: 40 },
  )
})

test.each(['read', 'write', 'admin'])('with the rights of a %s key', (key) =>
  site.sameAnswers(JSON.stringify({ query: VIEWS }), key),
)

test.each<[string, (result: RangeResult) => object]>([
  ['a status that there is not', (result) => ({ ...result, points: [{ ...result.points[0], status: 'NEW' }] })],
  ['a value that is no number', (result) => ({ ...result, points: [{ ...result.points[0], value: 'x' }] })],
  ['a point that is not there', (result) => ({ ...result, points: [null] })],
  ['no points', (result) => ({ ...result, points: null })],
])('yoga’s error is told of %s', async (_, damage) => {
  const { reader } = site.services
  site.services.reader = { ...reader, range: async (...args) => damage(await reader.range(...args)) as RangeResult }
  const request = JSON.stringify({ query: VIEWS.replace('points', `c${NOON}: points`) })
  expect((await site.post(request, 'read', undefined)).text).toContain('"errors"')
  await site.sameAnswers(request, 'read')
  site.services.reader = reader
})
