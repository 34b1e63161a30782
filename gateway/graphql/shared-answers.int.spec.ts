import { expect, onTestFinished, test } from 'vitest'
import { row } from '#gateway/live/testing.ts'
import { fakeServices } from './testing.ts'
import { serveOverHttp } from './testing-http.ts'

const NOON = 1_767_268_800_000
const ASKED =
  'metric(name: "views", window: {tumbling: "PT60S"}, by: [], from: "2026-01-01T00:00:00Z", to: "2026-01-02T00:00:00Z")'
const VIEWS = `{ ${ASKED} { asOf points { value status } } }`
const request = (query: string): string => JSON.stringify({ query })

const setUp = async () => {
  const fakes = await fakeServices()
  const { services } = fakes
  const reads = { count: 0, before: async (): Promise<void> => {} }
  const { range } = services.reader
  services.reader = {
    ...services.reader,
    async range(...args) {
      reads.count++
      await reads.before()
      return range(...args)
    },
  }
  const site = await serveOverHttp(services)
  onTestFinished(async () => {
    await site.close()
    await fakes.close()
  })
  const values = async (query = VIEWS, key = 'read') => {
    const { text } = await site.post(request(query), key, undefined)
    const { data, errors } = JSON.parse(text)
    return data?.metric?.points.map(({ value }: { value: number }) => value) ?? errors[0].extensions.code
  }
  return { ...fakes, ...site, reads, values }
}

test('equal queries are executed once for each change of the live view', async () => {
  const { checkpoints, values, reads } = await setUp()
  checkpoints.commit(0, [row(NOON, ['DE', '/a'], 1)])
  for (let i = 0; i < 3; i++) expect(await values()).toEqual([1])
  expect(reads.count).toBe(1)
  checkpoints.commit(1, [row(NOON, ['DE', '/a'], 2)])
  for (let i = 0; i < 3; i++) expect(await values()).toEqual([3])
  expect(reads.count).toBe(2)
  expect(await values(VIEWS.replace('[]', '["country"]'))).toEqual([3])
  expect(reads.count).toBe(3)
})

test.each(['/a', '/é', '/日本😀'])('an answer that is shared is the same bytes as the first: %s', async (path) => {
  const { checkpoints, post, reads } = await setUp()
  checkpoints.commit(0, [row(NOON, ['DE', path], 1)])
  const query = VIEWS.replace('by: [], ', '').replace('value', 'dimensions value')
  const answers = []
  for (let i = 0; i < 3; i++) answers.push((await post(request(query), 'read', undefined)).text)
  expect(reads.count).toBe(1)
  expect(JSON.parse(answers[0]).data.metric.points).toMatchObject([{ dimensions: ['DE', path], value: 1 }])
  expect(answers).toEqual([answers[0], answers[0], answers[0]])
})

test('also those that are asked at once, of whom the first leaves', async () => {
  const { checkpoints, values, reads, url } = await setUp()
  checkpoints.commit(0, [row(NOON, ['DE', '/a'], 1)])
  const [asked, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  reads.before = () => {
    asked.resolve()
    return goOn.promise
  }
  const leave = new AbortController()
  const headers = { authorization: 'Bearer read', 'content-type': 'application/json' }
  const first = fetch(url, { method: 'POST', headers, body: request(VIEWS), signal: leave.signal })
  await asked.promise
  const others = [values(), values(), values()]
  leave.abort()
  await expect(first).rejects.toThrow()
  goOn.resolve()
  expect(await Promise.all(others)).toEqual([[1], [1], [1]])
  // Those who came before the answer was there waited for it; one may have come after.
  expect(reads.count).toBe(1)
})

test('what was read while the live view changed is nobody else’s', async () => {
  const { checkpoints, values, reads } = await setUp()
  checkpoints.commit(0, [row(NOON, ['DE', '/a'], 1)])
  reads.before = async () => {
    if (reads.count === 1) checkpoints.commit(1, [row(NOON, ['DE', '/a'], 1)])
  }
  expect(await values()).toEqual([2])
  expect(await values()).toEqual([2])
  expect(reads.count).toBe(2)
})

test('a definition that changes, rights and what fails are not shared', async () => {
  const { checkpoints, values, reads, services } = await setUp()
  checkpoints.commit(0, [row(NOON, ['DE', '/a'], 1)])
  expect(await values()).toEqual([1])
  expect(await values(VIEWS, 'write')).toBe('FORBIDDEN')
  expect(await values(VIEWS, 'admin')).toEqual([1])
  await services.admin.remove('shop', 'views')
  for (let i = 0; i < 2; i++) expect(await values()).toBe('METRIC_UNKNOWN')
  expect(reads.count).toBe(4)
})

test('what the store had a part in, and what is more than metrics, is read each time', async () => {
  const { checkpoints, olap, values, reads, services, post } = await setUp()
  checkpoints.commit(0, [row(NOON, ['DE', '/a'], 1)])
  const query = request(`{ ${ASKED} { truncated } pipeline { durability } }`)
  expect((await post(query, 'read', undefined)).text).toContain('FSYNCED')
  services.durability = () => 'UNVERIFIED'
  expect((await post(query, 'read', undefined)).text).toContain('UNVERIFIED')
  const old = NOON - 5 * 3_600_000
  checkpoints.commit(1, [row(old, ['DE', '/a'], 7)], { at: old })
  services.view.sweep()
  olap.catchUp()
  const before = reads.count
  const longer = VIEWS.replace('2026-01-01T00', '2025-12-31T00')
  for (let i = 0; i < 2; i++) expect(await values(longer)).toEqual([7, 1])
  expect(reads.count - before).toBe(2)
})
