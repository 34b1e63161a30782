import { expect, test, vi } from 'vitest'
import type { MetricStore } from '#gateway/ports.ts'
import { BUILTIN_METRICS } from '#schema/builtin-metrics.ts'
import type { ControlRecord } from '#schema/frame.ts'
import type { MetricRecord } from '#schema/metric.ts'
import type { MetricInput } from '#schema/metric-check.ts'
import { createMetricAdmin } from './metric-admin.ts'

const PARTITIONS = 3

const memoryStore = (): MetricStore => {
  const records = new Map<string, MetricRecord>()
  return {
    get: (tenant, name) => records.get(`${tenant} ${name}`),
    newest: async (tenant, name) => records.get(`${tenant} ${name}`),
    list: (tenant) => [...records].filter(([key]) => key.startsWith(`${tenant} `)).map(([, record]) => record),
    all: () => [...records].map(([key, record]) => ({ tenant: key.split(' ')[0], record })),
    async put(tenant, record, replaces) {
      const key = `${tenant} ${record.definition.name}`
      if (records.get(key) !== replaces) return false
      records.set(key, record)
      return true
    },
    onChange: () => () => {},
  }
}

const setUp = () => {
  const metrics = memoryStore()
  const log: { partition: number; record: ControlRecord; id: string }[] = []
  const state = { failsAt: Number.NaN }
  const appendControl = async (partition: number, record: ControlRecord, id: string): Promise<number> => {
    if (partition === state.failsAt) throw new Error('the log is away')
    log.push({ partition, record, id })
    return log.length
  }
  const admin = createMetricAdmin({ metrics, log: { appendControl }, partitions: PARTITIONS, retryMs: 1 })
  return { admin, metrics, log, state }
}

const input = (over: Partial<MetricInput> = {}): MetricInput => ({
  name: 'signups',
  event: 'signup',
  where: [],
  measure: { kind: 'COUNT' },
  dimensions: ['country'],
  windows: [{ kind: 'TUMBLING', sizeMs: 60_000 }],
  ...over,
})

test('what its own gateway left unfinished is completed by whoever looks next, for as long as it takes', async () => {
  const { admin, metrics, state } = setUp()
  state.failsAt = 1
  await expect(admin.define('main', input())).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  const failed = Promise.withResolvers<unknown>()
  const stop = admin.keepComplete(1, failed.resolve)
  expect(String(await failed.promise)).toContain('the log did not take it')
  expect(metrics.get('main', 'signups')?.active).toBe(false)
  state.failsAt = Number.NaN
  await vi.waitFor(() => expect(metrics.get('main', 'signups')?.active).toBe(true))
  stop()
})

test('a metric is active once its definition stands in every partition', async () => {
  const { admin, metrics, log } = setUp()
  const metric = await admin.define('shop', input())
  expect(metric.version).toBe(1)
  expect(log.map(({ partition, id }) => [partition, id])).toEqual([
    [0, 'define-shop-signups-1-0'],
    [1, 'define-shop-signups-1-1'],
    [2, 'define-shop-signups-1-2'],
  ])
  expect(log[0].record).toEqual({ kind: 'defineMetric', tenant: 'shop', metric })
  expect(metrics.get('shop', 'signups')).toEqual({ definition: metric, deleted: false, active: true })
})

test('the same definition again changes nothing, another one is the next version', async () => {
  const { admin, log } = setUp()
  await admin.define('shop', input())
  expect((await admin.define('shop', input())).version).toBe(1)
  expect(log).toHaveLength(PARTITIONS)
  expect((await admin.define('shop', input({ dimensions: [] }))).version).toBe(2)
  expect(log.at(-1)?.id).toBe('define-shop-signups-2-2')
})

test('a gateway that has not heard of the newest version looks before it says that nothing changes', async () => {
  const { admin, metrics, log } = setUp()
  await admin.define('shop', input())
  const old = metrics.get('shop', 'signups')
  const behind = createMetricAdmin({
    metrics: { ...metrics, get: () => old },
    log: { appendControl: async () => 1 },
    partitions: PARTITIONS,
  })
  await admin.define('shop', input({ dimensions: [] }))
  expect((await behind.define('shop', input())).version).toBe(3)
  await admin.remove('shop', 'signups')
  expect(await behind.remove('shop', 'signups')).toBe(false)
  await admin.define('shop', input())
  expect(log.at(-1)?.id).toBe('define-shop-signups-5-2')
  expect(await behind.remove('shop', 'signups')).toBe(true)
  expect(metrics.get('shop', 'signups')).toMatchObject({ deleted: true, active: true })
})

test('a definition that the log took only in part is completed by the next who finds it', async () => {
  const { admin, metrics, log, state } = setUp()
  state.failsAt = 1
  await expect(admin.define('shop', input())).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  expect(metrics.get('shop', 'signups')?.active).toBe(false)
  state.failsAt = Number.NaN
  await admin.completeUnfinished()
  expect(metrics.get('shop', 'signups')?.active).toBe(true)
  expect(log.map(({ id }) => id)).toContain('define-shop-signups-1-1')
})

test('a deleted metric is a version of its own, so that defining it again starts from nothing', async () => {
  const { admin, metrics, log } = setUp()
  await admin.define('shop', input())
  expect(await admin.remove('shop', 'signups')).toBe(true)
  expect(log.at(-1)).toMatchObject({
    id: 'delete-shop-signups-2-2',
    record: { kind: 'deleteMetric', tenant: 'shop', name: 'signups', version: 2 },
  })
  expect(metrics.get('shop', 'signups')).toMatchObject({ deleted: true, active: true })
  expect(await admin.remove('shop', 'signups')).toBe(false)
  expect(await admin.remove('shop', 'nothing')).toBe(false)
  expect((await admin.define('shop', input())).version).toBe(3)
})

test('another k is another version', async () => {
  const { admin } = setUp()
  const top = (k?: number) => input({ measure: { kind: 'TOPK', field: 'os', k } })
  expect((await admin.define('shop', top(3))).version).toBe(1)
  expect((await admin.define('shop', top(3))).version).toBe(1)
  expect((await admin.define('shop', top(4))).version).toBe(2)
})

test('two gateways that define the same metric at once make one version', async () => {
  const { admin, metrics } = setUp()
  const [one, other] = await Promise.all([admin.define('shop', input()), admin.define('shop', input())])
  expect([one.version, other.version]).toEqual([1, 1])
  expect(metrics.list('shop')).toHaveLength(1)
})

test('a tenant gets the built-in metrics once, and one that was deleted stays deleted', async () => {
  const { admin, metrics, log } = setUp()
  await admin.ensureBuiltinMetrics('shop')
  const names = metrics.list('shop').map(({ definition }) => definition.name)
  expect(names.sort()).toEqual(BUILTIN_METRICS.map(({ name }) => name).sort())
  await admin.remove('shop', 'revenue')
  const written = log.length
  await admin.ensureBuiltinMetrics('shop')
  expect(log).toHaveLength(written)
  expect(metrics.get('shop', 'revenue')?.deleted).toBe(true)
})

test.each<[string, Partial<MetricInput>, RegExp]>([
  ['a name with capitals', { name: 'Signups' }, /name: write a-z/],
  ['an event with a space', { event: 'sign up' }, /event: write the name of an event, or \*/],
  ['a field that no event has', { dimensions: ['colour'] }, /dimensions: "colour" is not a field.*properties\.<path>/],
  ['a measure without a known field', { measure: { kind: 'SUM', field: 'amount' } }, /measure sum: "amount"/],
  ['quantiles of nothing', { measure: { kind: 'QUANTILES' } }, /measure quantiles: "" is not a field/],
  ['topK of nothing', { measure: { kind: 'TOPK', field: 'os', k: 0 } }, /whole number from 1 to 100; got 0/],
  ['topK of too many', { measure: { kind: 'TOPK', field: 'os', k: 101 } }, /from 1 to 100; got 101/],
  ['topK of half a value', { measure: { kind: 'TOPK', field: 'os', k: 1.5 } }, /got 1.5/],
  ['a k that nothing needs', { measure: { kind: 'UNIQUES', field: 'os', k: 3 } }, /only topK has a k; leave it out/],
  ['five dimensions', { dimensions: ['name', 'country', 'os', 'device', 'browser'] }, /at most 4 are possible; got 5/],
  ['a dimension twice', { dimensions: ['os', 'os'] }, /each can be given once/],
  ['no window', { windows: [] }, /at least one, such as/],
  ['a window of two days', { windows: [{ kind: 'TUMBLING', sizeMs: 172_800_000 }] }, /1 second to 1 day.*PT48H/],
  ['a window of half a second', { windows: [{ kind: 'TUMBLING', sizeMs: 500 }] }, /1 second to 1 day/],
  ['IN without a list', { where: [{ field: 'os', op: 'IN', value: 'linux' }] }, /value of IN must be a list/],
  ['EXISTS with text', { where: [{ field: 'os', op: 'EXISTS', value: 'yes' }] }, /EXISTS must be true or false/],
  ['a condition on no field', { where: [{ field: 'constructor', op: 'EQ', value: 1 }] }, /where: "constructor"/],
])('%s is refused with what to write instead', async (_, over, message) => {
  const { admin, log } = setUp()
  await expect(admin.define('shop', input(over))).rejects.toMatchObject({ code: 'BAD_INPUT', message })
  expect(log).toEqual([])
})
