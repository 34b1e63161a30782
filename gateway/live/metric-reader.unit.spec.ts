import { afterEach, expect, test } from 'vitest'
import { OTHER } from '#schema/checkpoint.ts'
import { fakeOlap } from './fake-olap.ts'
import { createLiveView, type LiveView } from './live-view.ts'
import { createMetricReader, type MetricRequest } from './metric-reader.ts'
import type { Point } from './points.ts'
import {
  createPuller,
  definition,
  fakeCheckpoints,
  fakeMetricStore,
  liveClock,
  row,
  TENANT,
  tumbling,
} from './testing.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
/** 2026-01-01T12:00:00Z */
const NOON = 1_767_268_800_000
const at = (minute: number): number => NOON + minute * MINUTE

const views: LiveView[] = []
afterEach(async () => {
  await Promise.all(views.splice(0).map((view) => view.close()))
})

const setUp = async (metrics = fakeMetricStore(definition()), partitions = 2) => {
  const checkpoints = fakeCheckpoints(partitions)
  const olap = fakeOlap(checkpoints.history)
  const clock = { now: () => time.now }
  const time = { now: NOON }
  const gateway = async (patienceMs = 200) => {
    const view = createLiveView({ feed: checkpoints.feed, metrics, partitions, clock, log: { warn() {} }, retryMs: 1 })
    views.push(view)
    await view.ready(1_000)
    const reader = createMetricReader({
      view,
      metrics,
      olap: olap.reader,
      clock,
      deploymentId: 'd1',
      horizonMs: () => 10 * MINUTE,
      paceMs: 0,
      patienceMs,
    })
    return { view, reader }
  }
  return { checkpoints, olap, time, metrics, gateway }
}

const request = (over: Partial<MetricRequest> = {}): MetricRequest => ({
  metric: 'views',
  window: tumbling(MINUTE),
  ...over,
})
const whole = { from: at(-600), to: at(600), limit: 1_000 }
const brief = ({ windowStart, dimensions, value, status, revision }: Point) => [
  (windowStart - NOON) / MINUTE,
  dimensions.join('/'),
  value,
  status,
  revision,
]

test('points are summed over partitions, grouped, filtered, and in order of time', async () => {
  const { checkpoints, gateway } = await setUp()
  checkpoints.commit(0, [row(at(1), ['DE', '/a'], 2), row(at(0), ['DE', '/b'], 1)])
  checkpoints.commit(1, [row(at(1), ['DE', '/a'], 3), row(at(1), ['AT', '/a'], 4)])
  const { reader } = await gateway()
  const all = await reader.range(TENANT, { ...request(), ...whole })
  expect(all.points.map(brief)).toEqual([
    [0, 'DE//b', 1, 'PROVISIONAL', 1],
    [1, 'AT//a', 4, 'PROVISIONAL', 1],
    [1, 'DE//a', 5, 'PROVISIONAL', 2],
  ])
  const byPath = await reader.range(TENANT, { ...request({ by: ['properties.path'] }), ...whole })
  expect(byPath.points.map(brief)).toEqual([
    [0, '/b', 1, 'PROVISIONAL', 1],
    [1, '/a', 9, 'PROVISIONAL', 3],
  ])
  const where = [{ field: 'country', op: 'EQ' as const, value: 'DE' }]
  const german = await reader.range(TENANT, { ...request({ by: [], where }), ...whole })
  expect(german.points.map(brief)).toEqual([
    [0, '', 1, 'PROVISIONAL', 1],
    [1, '', 5, 'PROVISIONAL', 2],
  ])
})

test('a multiple of a defined window is composed of its slices', async () => {
  const { checkpoints, gateway } = await setUp()
  checkpoints.commit(
    0,
    [0, 4, 5].map((minute) => row(at(minute), ['DE', '/a'], minute + 1)),
  )
  const { reader } = await gateway()
  const { points } = await reader.range(TENANT, { ...request({ window: tumbling(5 * MINUTE), by: [] }), ...whole })
  expect(points.map(brief)).toEqual([
    [0, '', 6, 'PROVISIONAL', 2],
    [5, '', 6, 'PROVISIONAL', 1],
  ])
  expect(points[0].windowEnd - points[0].windowStart).toBe(5 * MINUTE)
})

test('what cannot be asked is refused with what can be', async () => {
  const { gateway } = await setUp()
  const { reader } = await gateway()
  const refused = (over: Partial<MetricRequest>) => reader.range(TENANT, { ...request(over), ...whole })
  await expect(refused({ metric: 'nothing' })).rejects.toMatchObject({ code: 'METRIC_UNKNOWN', message: /views/ })
  await expect(refused({ window: tumbling(90_000) })).rejects.toMatchObject({
    code: 'WINDOW_NOT_DEFINED',
    message: /PT1M/,
  })
  await expect(refused({ by: ['browser'] })).rejects.toMatchObject({
    code: 'FIELD_NOT_A_DIMENSION',
    message: /country, properties.path/,
  })
  const where = [{ field: 'userId', op: 'EQ' as const, value: 'u' }]
  await expect(refused({ where })).rejects.toMatchObject({ code: 'FIELD_NOT_A_DIMENSION' })
  await expect(reader.range(TENANT, { ...request(), ...whole, from: at(9), to: at(1) })).rejects.toMatchObject({
    code: 'BAD_INPUT',
  })
})

test('a window with a series without a name says so on all its points', async () => {
  const { checkpoints, gateway } = await setUp()
  checkpoints.commit(0, [row(at(0), ['DE', '/a'], 1), row(at(0), [OTHER, OTHER], 9), row(at(1), ['DE', '/a'], 1)])
  const { reader } = await gateway()
  const { points } = await reader.range(TENANT, { ...request({ by: ['country'] }), ...whole })
  expect(points.map(({ windowStart, capped }) => [windowStart, capped])).toEqual([
    [at(0), true],
    [at(0), true],
    [at(1), false],
  ])
})

test('statuses follow the lowest clock of all partitions', async () => {
  const { checkpoints, gateway } = await setUp()
  const { reader } = await gateway()
  const statuses = async () =>
    (await reader.range(TENANT, { ...request(), ...whole })).points.map(({ status }) => status)
  checkpoints.commit(0, [row(at(0), ['DE', '/a'], 1)], { clocks: [liveClock(at(5))] })
  checkpoints.commit(1, [], { clocks: [liveClock(at(1) - 1)] })
  expect(await statuses()).toEqual(['PROVISIONAL'])
  checkpoints.commit(1, [], { clocks: [liveClock(at(1))] })
  expect(await statuses()).toEqual(['COMPLETE'])
  checkpoints.commit(1, [row(at(0), ['DE', '/a'], 1, { corrections: 1 })])
  expect(await statuses()).toEqual(['CORRECTED'])
  checkpoints.commit(0, [], { clocks: [liveClock(at(11))] })
  checkpoints.commit(1, [], { clocks: [liveClock(at(11))] })
  expect(await statuses()).toEqual(['FINAL'])
})

test('a composed window is corrected only by what came when its own end had been passed', async () => {
  const { checkpoints, gateway } = await setUp(undefined, 1)
  const { reader } = await gateway()
  const status = async (minutes: number) => {
    const asked = request({ window: tumbling(minutes * MINUTE) })
    return (await reader.range(TENANT, { ...asked, ...whole })).points[0].status
  }
  // Late for the minute of 0, in time for the five minutes that it is part of.
  const early = row(at(0), ['DE', '/a'], 1, { corrections: 1, correctedAt: at(3) })
  checkpoints.commit(0, [early], { clocks: [liveClock(at(6))] })
  expect([await status(1), await status(3), await status(5)]).toEqual(['CORRECTED', 'CORRECTED', 'COMPLETE'])
  checkpoints.commit(0, [row(at(1), ['DE', '/a'], 1, { corrections: 1, correctedAt: at(5) })])
  expect(await status(5)).toBe('CORRECTED')
})

test('a limit cuts the newest points off and says so', async () => {
  const { checkpoints, gateway } = await setUp()
  checkpoints.commit(
    0,
    [0, 1, 2].map((minute) => row(at(minute), ['DE', '/a'], 1)),
  )
  const { reader } = await gateway()
  const { points, truncated } = await reader.range(TENANT, { ...request(), ...whole, limit: 2 })
  expect([points.map(({ windowStart }) => windowStart), truncated]).toEqual([[at(0), at(1)], true])
})

test('windows before the mark come wholly from the store, those after it wholly from the live view', async () => {
  const { checkpoints, olap, gateway } = await setUp()
  checkpoints.commit(
    0,
    [0, 1, 2, 3].map((minute) => row(at(minute), ['DE', '/a'], 1)),
  )
  olap.catchUp()
  checkpoints.leave(({ start }) => start < at(2), [{ tenant: TENANT, metric: 'views', size: MINUTE, mark: at(2) }])
  const { reader } = await gateway()
  checkpoints.commit(1, [row(at(1), ['DE', '/a'], 10), row(at(3), ['DE', '/a'], 10)])
  olap.catchUp()
  const { points } = await reader.range(TENANT, { ...request(), ...whole })
  expect(points.map(brief)).toEqual([
    [0, 'DE//a', 1, 'PROVISIONAL', 1],
    [1, 'DE//a', 11, 'PROVISIONAL', 2],
    [2, 'DE//a', 1, 'PROVISIONAL', 1],
    [3, 'DE//a', 11, 'PROVISIONAL', 2],
  ])
})

test('a composed window across the mark comes wholly from the store', async () => {
  const { checkpoints, olap, gateway } = await setUp()
  checkpoints.commit(
    0,
    [0, 4, 5].map((minute) => row(at(minute), ['DE', '/a'], 1)),
  )
  olap.catchUp()
  checkpoints.leave(({ start }) => start < at(2), [{ tenant: TENANT, metric: 'views', size: MINUTE, mark: at(2) }])
  const { reader } = await gateway()
  const { points } = await reader.range(TENANT, { ...request({ window: tumbling(5 * MINUTE) }), ...whole })
  expect(points.map(brief)).toEqual([
    [0, 'DE//a', 2, 'PROVISIONAL', 2],
    [5, 'DE//a', 1, 'PROVISIONAL', 1],
  ])
})

test('older windows are UNAVAILABLE while the store is away or behind what has been told, recent ones are not', async () => {
  const { checkpoints, olap, gateway } = await setUp()
  checkpoints.commit(0, [row(at(0), ['DE', '/a'], 1), row(at(3), ['DE', '/a'], 1)])
  checkpoints.leave(({ start }) => start < at(2), [{ tenant: TENANT, metric: 'views', size: MINUTE, mark: at(2) }])
  const { reader } = await gateway(1)
  checkpoints.commit(0, [row(at(0), ['DE', '/a'], 1)])
  await expect(reader.range(TENANT, { ...request(), ...whole })).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  olap.catchUp()
  expect((await reader.range(TENANT, { ...request(), ...whole })).points).toHaveLength(2)
  olap.state.away = true
  await expect(reader.range(TENANT, { ...request(), ...whole })).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  const recent = await reader.range(TENANT, { ...request(), from: at(2), to: at(9), limit: 10 })
  expect(recent.points).toHaveLength(1)
})

test('windows leave the live view after their retention and are then asked of the store', async () => {
  const { checkpoints, olap, time, gateway } = await setUp()
  const { reader, view } = await gateway(1)
  checkpoints.commit(0, [row(at(0), ['DE', '/a'], 1)], { at: at(0) })
  checkpoints.commit(0, [row(at(-60), ['DE', '/a'], 2)], { at: at(60) })
  time.now = at(0) + MINUTE + 2 * HOUR - 1
  view.sweep()
  expect((await reader.range(TENANT, { ...request(), ...whole })).points).toHaveLength(2)
  expect(olap.state.questions).toBe(0)
  time.now++
  view.sweep()
  await expect(reader.range(TENANT, { ...request(), ...whole })).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  olap.catchUp()
  const { points } = await reader.range(TENANT, { ...request(), ...whole })
  expect(points.map(({ value }) => value)).toEqual([2, 1])
})

test('only points of the current version of a metric are shown', async () => {
  const { checkpoints, metrics, gateway } = await setUp()
  const { reader } = await gateway()
  checkpoints.commit(0, [row(at(0), ['DE', '/a'], 7)])
  const next = { definition: definition({ version: 2 }), deleted: false, active: true }
  await metrics.put(TENANT, next, metrics.get(TENANT, 'views'))
  checkpoints.commit(0, [row(at(0), ['DE', '/a'], 1, { version: 2 })])
  expect((await reader.range(TENANT, { ...request(), ...whole })).points.map(({ value }) => value)).toEqual([1])
})

test('a subscription starts with the newest windows that have data and goes on with what changed', async () => {
  const { checkpoints, gateway } = await setUp()
  checkpoints.commit(
    0,
    [0, 2, 9].map((minute) => row(at(minute), ['DE', '/a'], 1)),
  )
  const { reader } = await gateway()
  const client = createPuller(await reader.subscribe(TENANT, { ...request(), last: 2 }))
  const [snapshot] = await client.pull()
  expect([snapshot.kind, snapshot.points.map(brief)]).toEqual([
    'SNAPSHOT',
    [
      [2, 'DE//a', 1, 'PROVISIONAL', 1],
      [9, 'DE//a', 1, 'PROVISIONAL', 1],
    ],
  ])
  checkpoints.commit(1, [row(at(0), ['AT', '/b'], 5)])
  const [delta] = await client.pull()
  expect([delta.kind, delta.points.map(brief)]).toEqual(['DELTA', [[0, 'AT//b', 5, 'PROVISIONAL', 1]]])
})

test('a reader that was busy gets one update with the newest state, not one for each change', async () => {
  const { checkpoints, gateway } = await setUp()
  const { reader } = await gateway()
  const client = createPuller(await reader.subscribe(TENANT, { ...request(), last: 2 }))
  await client.pull()
  const busy = createPuller(await reader.subscribe(TENANT, { ...request(), last: 2 }))
  await busy.next()
  for (let i = 0; i < 100; i++) checkpoints.commit(i % 2, [row(at(i % 3), ['DE', '/a'], 1)])
  const updates = await busy.pull()
  expect(updates.map(({ points }) => points.map(({ value }) => value))).toEqual([[34, 33, 33]])
})

test('points whose status the clocks have changed are sent without a change of their own', async () => {
  const { checkpoints, gateway } = await setUp(undefined, 1)
  checkpoints.commit(0, [row(at(0), ['DE', '/a'], 1), row(at(1), ['DE', '/a'], 1)], { clocks: [liveClock(at(0))] })
  const { reader } = await gateway()
  const client = createPuller(await reader.subscribe(TENANT, { ...request(), last: 9 }))
  await client.pull()
  checkpoints.commit(0, [], { clocks: [liveClock(at(1))] })
  const [update] = await client.pull()
  expect(update.points.map(brief)).toEqual([[0, 'DE//a', 1, 'COMPLETE', 1]])
  expect(update.watermark).toBe(at(1))
})

test('a cursor resumes on another gateway with exactly what changed since', async () => {
  const { checkpoints, gateway } = await setUp()
  const first = await gateway()
  checkpoints.commit(0, [row(at(0), ['DE', '/a'], 1), row(at(1), ['DE', '/a'], 1)], { clocks: [liveClock(at(0))] })
  const client = createPuller(await first.reader.subscribe(TENANT, { ...request(), last: 9 }))
  const { cursor } = await client.next()
  await client.end()
  checkpoints.commit(1, [row(at(1), ['DE', '/a'], 2)])
  const second = await gateway()
  const again = createPuller(await second.reader.subscribe(TENANT, { ...request(), last: 9, after: cursor }))
  const [update] = await again.pull()
  expect([update.kind, update.points.map(brief)]).toEqual(['DELTA', [[1, 'DE//a', 3, 'PROVISIONAL', 2]]])
  checkpoints.commit(0, [], { clocks: [liveClock(at(1))] })
  await again.end()
  const third = createPuller(await second.reader.subscribe(TENANT, { ...request(), last: 9, after: update.cursor }))
  expect((await third.pull()).map(({ points }) => points.map(brief))).toEqual([[[0, 'DE//a', 1, 'COMPLETE', 1]]])
})

test('a gateway behind the cursor waits until it has caught up', async () => {
  const { checkpoints, gateway } = await setUp()
  const ahead = await gateway()
  const client = createPuller(await ahead.reader.subscribe(TENANT, { ...request(), last: 9 }))
  await client.next()
  const { reader } = await (await setUp()).gateway(20)
  checkpoints.commit(0, [row(at(0), ['DE', '/a'], 1)])
  const { cursor } = await client.next()
  const subscribe = () => reader.subscribe(TENANT, { ...request(), last: 9, after: cursor })
  await expect(subscribe()).rejects.toMatchObject({ code: 'UNAVAILABLE', retryable: true })
  const late = await setUp()
  const slow = await late.gateway(5_000)
  const waiting = slow.reader.subscribe(TENANT, { ...request(), last: 9, after: cursor })
  late.checkpoints.commit(0, [row(at(0), ['DE', '/a'], 1)])
  expect(await createPuller(await waiting).pull()).toEqual([])
})

test('a cursor that is garbage, of another deployment or of another operation is refused', async () => {
  const { gateway } = await setUp()
  const { reader } = await gateway()
  const { cursor } = await createPuller(await reader.subscribe(TENANT, { ...request(), last: 9 })).next()
  const json = JSON.parse(Buffer.from(cursor, 'base64url').toString())
  const foreign = Buffer.from(JSON.stringify({ ...json, d: 'other' })).toString('base64url')
  const wide = Buffer.from(JSON.stringify({ ...json, p: [0, 0, 0] })).toString('base64url')
  for (const after of ['', 'garbage', `${cursor}x`.slice(3), foreign, wide])
    await expect(reader.subscribe(TENANT, { ...request(), last: 9, after })).rejects.toMatchObject({
      code: 'CURSOR_INVALID',
    })
  const other = reader.subscribe(TENANT, { ...request({ by: [] }), last: 9, after: cursor })
  await expect(other).rejects.toMatchObject({ code: 'CURSOR_INVALID' })
  expect(reader.watched()).toBe(1)
})

test('a cursor from before a change that has left gets a RESET with a new snapshot', async () => {
  const { checkpoints, olap, time, gateway } = await setUp()
  const { reader, view } = await gateway()
  const { cursor } = await createPuller(await reader.subscribe(TENANT, { ...request(), last: 9 })).next()
  checkpoints.commit(0, [row(at(0), ['DE', '/a'], 1)], { at: at(0) })
  olap.catchUp()
  time.now = at(0) + 3 * HOUR
  view.sweep()
  const [update] = await createPuller(await reader.subscribe(TENANT, { ...request(), last: 9, after: cursor })).pull()
  expect([update.kind, update.points.map(brief)]).toEqual(['RESET', [[0, 'DE//a', 1, 'PROVISIONAL', 1]]])
})

test('a change to a window that has left is pushed when the store has it, and stands in the cursor until then', async () => {
  const { checkpoints, olap, gateway } = await setUp()
  checkpoints.commit(0, [row(at(0), ['DE', '/a'], 1), row(at(0), ['AT', '/a'], 1), row(at(3), ['DE', '/a'], 1)])
  olap.catchUp()
  checkpoints.leave(({ start }) => start < at(2), [{ tenant: TENANT, metric: 'views', size: MINUTE, mark: at(2) }])
  const { reader } = await gateway()
  const client = createPuller(await reader.subscribe(TENANT, { ...request(), last: 9 }))
  expect((await client.pull())[0].points).toHaveLength(3)
  checkpoints.commit(1, [row(at(0), ['DE', '/a'], 5), row(at(3), ['DE', '/a'], 5)])
  const [live] = await client.pull()
  expect(live.points.map(brief)).toEqual([[3, 'DE//a', 6, 'PROVISIONAL', 2]])
  olap.catchUp()
  const stored = await client.next()
  expect(stored.points.map(brief)).toEqual([[0, 'DE//a', 6, 'PROVISIONAL', 2]])
  // Without the last update, its window is still to come for whoever resumes; with it, nothing is.
  const missed = createPuller(await reader.subscribe(TENANT, { ...request(), last: 9, after: live.cursor }))
  expect((await missed.next()).points.map(brief)).toContainEqual([0, 'DE//a', 6, 'PROVISIONAL', 2])
  const complete = createPuller(await reader.subscribe(TENANT, { ...request(), last: 9, after: stored.cursor }))
  expect(await complete.pull()).toEqual([])
})

test('after a gap all partitions are loaded anew and a subscriber misses and repeats nothing', async () => {
  const { checkpoints, gateway } = await setUp()
  const { reader } = await gateway()
  checkpoints.commit(0, [row(at(0), ['DE', '/a'], 1)])
  const client = createPuller(await reader.subscribe(TENANT, { ...request(), last: 9 }))
  await client.pull()
  checkpoints.history[1].push({
    ...checkpoints.history[0][0],
    settlement: { ...checkpoints.history[0][0].settlement, partition: 1 },
    rows: [row(at(1), ['DE', '/a'], 4)],
  })
  checkpoints.gap(1)
  const update = await client.next()
  expect([update.kind, update.points.map(brief)]).toEqual(['DELTA', [[1, 'DE//a', 4, 'PROVISIONAL', 1]]])
  expect(await client.pull()).toEqual([])
  expect(checkpoints.followers()).toBe(2)
})

test('a subscription ends with METRIC_UNKNOWN when its metric is deleted and is reset when it is changed', async () => {
  const { checkpoints, metrics, gateway } = await setUp()
  const { reader } = await gateway()
  checkpoints.commit(0, [row(at(0), ['DE', '/a'], 1)])
  const client = createPuller(await reader.subscribe(TENANT, { ...request(), last: 9 }))
  await client.pull()
  const record = { definition: definition({ version: 2 }), deleted: false, active: true }
  await metrics.put(TENANT, record, metrics.get(TENANT, 'views'))
  checkpoints.commit(0, [row(at(0), ['DE', '/a'], 3, { version: 2 })])
  // At once, with nothing yet; then what the new version counts.
  const updates = (await client.pull()).map(({ kind, points }) => [kind, points.map(brief)])
  expect(updates).toEqual([
    ['RESET', []],
    ['DELTA', [[0, 'DE//a', 3, 'PROVISIONAL', 1]]],
  ])
  await metrics.put(TENANT, { ...record, deleted: true }, record)
  checkpoints.commit(0, [row(at(0), ['DE', '/a'], 3, { version: 2 })])
  await expect(client.next()).rejects.toMatchObject({ code: 'METRIC_UNKNOWN' })
  expect(reader.watched()).toBe(0)
})

test('a subscription is reset when its gateway learns of a new definition, though no checkpoint comes after it', async () => {
  const { checkpoints, metrics, gateway } = await setUp()
  const { reader } = await gateway()
  checkpoints.commit(0, [row(at(0), ['DE', '/a'], 1)])
  const client = createPuller(await reader.subscribe(TENANT, { ...request(), last: 9 }))
  await client.pull()
  checkpoints.commit(0, [row(at(0), ['DE', '/a'], 3, { version: 2 })])
  expect(await client.pull()).toEqual([])
  const record = { definition: definition({ version: 2 }), deleted: false, active: true }
  await metrics.put(TENANT, record, metrics.get(TENANT, 'views'))
  const reset = await client.next()
  expect([reset.kind, reset.points.map(brief)]).toEqual(['RESET', [[0, 'DE//a', 3, 'PROVISIONAL', 1]]])
})

test('a cursor without by outlives a change of the dimensions: it gets a RESET, not a refusal', async () => {
  const { checkpoints, metrics, gateway } = await setUp()
  const { reader } = await gateway()
  checkpoints.commit(0, [row(at(0), ['DE', '/a'], 1)])
  const { cursor } = await createPuller(await reader.subscribe(TENANT, { ...request(), last: 9 })).next()
  const record = { definition: definition({ version: 2, dimensions: ['country'] }), deleted: false, active: true }
  await metrics.put(TENANT, record, metrics.get(TENANT, 'views'))
  checkpoints.commit(0, [row(at(0), ['DE'], 3, { version: 2 })])
  const again = createPuller(await reader.subscribe(TENANT, { ...request(), last: 9, after: cursor }))
  const reset = await again.next()
  expect([reset.kind, reset.points.map(brief)]).toEqual(['RESET', [[0, 'DE', 3, 'PROVISIONAL', 1]]])
})

test('a reader that leaves while it waits is forgotten at once', async () => {
  const { gateway } = await setUp()
  const { reader } = await gateway()
  const iterator = await reader.subscribe(TENANT, { ...request(), last: 9 })
  await iterator.next()
  const waiting = iterator.next()
  await iterator.return?.()
  expect(await waiting).toEqual({ done: true, value: undefined })
  expect(reader.watched()).toBe(0)
})

test('subscribers that have seen the same get the very same update', async () => {
  const { checkpoints, gateway } = await setUp()
  const { reader } = await gateway()
  const subscribe = async () => createPuller(await reader.subscribe(TENANT, { ...request(), last: 9 }))
  const clients = [await subscribe(), await subscribe()]
  for (const client of clients) await client.pull()
  checkpoints.commit(0, [row(at(0), ['DE', '/a'], 1)])
  const [[one], [other]] = [await clients[0].pull(), await clients[1].pull()]
  expect(one).toBe(other)
  expect(one.points).toHaveLength(1)
})
