import { afterEach, expect, test } from 'vitest'
import { OTHER, SESSIONS } from '#schema/checkpoint.ts'
import { fakeOlap } from './fake-olap.ts'
import { createLiveView, type LiveView } from './live-view.ts'
import { createMetricReader, type MetricRequest } from './metric-reader.ts'
import type { Point } from './points.ts'
import { createPuller, definition, fakeCheckpoints, fakeMetricStore, liveClock, sessionRow, TENANT } from './testing.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
/** 2026-01-01T12:00:00Z */
const NOON = 1_767_268_800_000
const at = (minute: number): number => NOON + minute * MINUTE

const views: LiveView[] = []
afterEach(async () => {
  await Promise.all(views.splice(0).map((view) => view.close()))
})

const WINDOW = { kind: 'SESSION' as const, gapMs: MINUTE }

const setUp = async (partitions = 2) => {
  const metrics = fakeMetricStore(definition({ windows: [WINDOW, { kind: 'SESSION', gapMs: HOUR }] }))
  const checkpoints = fakeCheckpoints(partitions)
  const olap = fakeOlap(checkpoints.history)
  const time = { now: NOON }
  const clock = { now: () => time.now }
  const gateway = async (patienceMs = 200) => {
    const horizonMs = () => 10 * MINUTE
    const view = createLiveView({ feed: checkpoints.feed, metrics, partitions, clock, horizonMs, log: { warn() {} } })
    views.push(view)
    await view.ready(1_000)
    const options = { view, metrics, olap: olap.reader, clock, deploymentId: 'd1', horizonMs, paceMs: 0, patienceMs }
    return { view, reader: createMetricReader(options) }
  }
  return { checkpoints, olap, time, gateway }
}

const request = (over: Partial<MetricRequest> = {}): MetricRequest => ({ metric: 'views', window: WINDOW, ...over })
const whole = { from: at(-600), to: at(600), limit: 1_000 }
const brief = ({ windowStart, windowEnd, dimensions, value, status, revision }: Point) => [
  (windowStart - NOON) / MINUTE,
  (windowEnd - NOON) / MINUTE,
  dimensions.join('/'),
  value,
  status,
  revision,
]

/** The session [start, end) in minutes, of one German series. */
const session = (id: string, start: number, end: number, events = 1, over: Parameters<typeof sessionRow>[4] = {}) =>
  sessionRow(id, [at(start), at(end)], ['DE', '/a'], events, over)

const gone = { retracted: true as const, revision: 2 }

test('a point of a session has its id first, and ends when the last of its series does', async () => {
  const { checkpoints, gateway } = await setUp()
  checkpoints.commit(0, [], {
    sessions: [
      sessionRow('s2', [at(1), at(4)], ['DE', '/b'], 2),
      sessionRow('s1', [at(0), at(2)], ['AT', '/a'], 3),
      sessionRow('s1', [at(0), at(5)], ['DE', '/a'], 4),
      sessionRow('s1', [at(0), at(3)], ['DE', '/b'], 1),
    ],
  })
  const { reader } = await gateway()
  const read = async (over: Partial<MetricRequest>) =>
    (await reader.range(TENANT, { ...request(over), ...whole })).points.map(brief)
  expect(await read({})).toEqual([
    [0, 5, 's1/AT//a', 3, 'PROVISIONAL', 3],
    [0, 5, 's1/DE//a', 4, 'PROVISIONAL', 3],
    [0, 5, 's1/DE//b', 1, 'PROVISIONAL', 3],
    [1, 4, 's2/DE//b', 2, 'PROVISIONAL', 1],
  ])
  expect(await read({ by: ['country'] })).toEqual([
    [0, 5, 's1/AT', 3, 'PROVISIONAL', 3],
    [0, 5, 's1/DE', 5, 'PROVISIONAL', 3],
    [1, 4, 's2/DE', 2, 'PROVISIONAL', 1],
  ])
  const german = [{ field: 'country', op: 'EQ' as const, value: 'DE' }]
  expect(await read({ by: [], where: german })).toEqual([
    [0, 5, 's1', 5, 'PROVISIONAL', 3],
    [1, 4, 's2', 2, 'PROVISIONAL', 1],
  ])
  const second = [{ field: 'sessionId', op: 'EQ' as const, value: 's2' }]
  expect(await read({ by: [], where: second })).toEqual([[1, 4, 's2', 2, 'PROVISIONAL', 1]])
})

test('only sessions that start in the range are in it, and a limit cuts the newest off', async () => {
  const { checkpoints, gateway } = await setUp()
  checkpoints.commit(0, [], { sessions: [session('a', 0, 9), session('b', 1, 3), session('c', 2, 3)] })
  const { reader } = await gateway()
  const inRange = await reader.range(TENANT, { ...request(), from: at(1), to: at(2), limit: 9 })
  expect(inRange.points.map(({ dimensions }) => dimensions[0])).toEqual(['b'])
  const limited = await reader.range(TENANT, { ...request(), ...whole, limit: 2 })
  expect([limited.points.map(({ dimensions }) => dimensions[0]), limited.truncated]).toEqual([['a', 'b'], true])
})

test('a gap that is not defined is refused with those that are, also where a multiple of it would do', async () => {
  const { gateway } = await setUp()
  const { reader } = await gateway()
  const asked = reader.range(TENANT, { ...request({ window: { kind: 'SESSION', gapMs: 2 * MINUTE } }), ...whole })
  await expect(asked).rejects.toMatchObject({ code: 'WINDOW_NOT_DEFINED', message: /PT2M.*PT1M, PT1H/ })
})

test('sessions of two sources are two, though id and start are the same', async () => {
  const { checkpoints, gateway } = await setUp()
  checkpoints.commit(0, [], { sessions: [session('s', 0, 2, 1), session('s', 0, 3, 5, { source: 'import' })] })
  const { reader } = await gateway()
  const { points } = await reader.range(TENANT, { ...request(), ...whole })
  expect(points.map(({ value }) => value).sort()).toEqual([1, 5])
})

test('rows that stand for sessions themselves are no points, and the cap is said of its own session', async () => {
  const { checkpoints, gateway } = await setUp()
  const other = sessionRow('s', [at(0), at(2)], [OTHER, OTHER], 7)
  checkpoints.commit(0, [], {
    sessions: [session('s', 0, 2), other, session('t', 0, 2), { ...session('s', 0, 2), metric: SESSIONS }],
  })
  const { reader } = await gateway()
  const { points } = await reader.range(TENANT, { ...request({ by: [] }), ...whole })
  expect(points.map(({ dimensions, value, capped }) => [dimensions[0], value, capped])).toEqual([
    ['s', 8, true],
    ['t', 1, false],
  ])
})

test('the status of a session is told by its own end', async () => {
  const { checkpoints, gateway } = await setUp(1)
  const { reader } = await gateway()
  const statuses = async () =>
    (await reader.range(TENANT, { ...request(), ...whole })).points.map(({ status }) => status)
  const corrected = session('b', 0, 1, 1, { corrections: 1 })
  checkpoints.commit(0, [], { sessions: [session('a', 0, 2), corrected], clocks: [liveClock(at(2) - 1)] })
  expect(await statuses()).toEqual(['PROVISIONAL', 'CORRECTED'])
  checkpoints.commit(0, [], { clocks: [liveClock(at(2))] })
  expect(await statuses()).toEqual(['COMPLETE', 'CORRECTED'])
  checkpoints.commit(0, [], { clocks: [liveClock(at(12))] })
  expect(await statuses()).toEqual(['FINAL', 'FINAL'])
})

test('a subscription starts with the newest sessions and goes on with those that change', async () => {
  const { checkpoints, gateway } = await setUp()
  checkpoints.commit(0, [], { sessions: [session('a', 0, 9), session('b', 1, 3), session('c', 2, 3)] })
  const { reader } = await gateway()
  const client = createPuller(await reader.subscribe(TENANT, { ...request({ by: [] }), last: 2 }))
  const [snapshot] = await client.pull()
  expect([snapshot.kind, snapshot.points.map(({ dimensions }) => dimensions[0])]).toEqual(['SNAPSHOT', ['b', 'c']])
  checkpoints.commit(0, [], { sessions: [session('a', 0, 10, 2, { revision: 2 })] })
  expect((await client.pull()).map(({ kind, points }) => [kind, points.map(brief)])).toEqual([
    ['DELTA', [[0, 10, 'a', 2, 'PROVISIONAL', 2]]],
  ])
})

test('where another series moves the end of a session, all of its points are sent', async () => {
  const { checkpoints, gateway } = await setUp()
  checkpoints.commit(0, [], { sessions: [session('s', 0, 2)] })
  const { reader } = await gateway()
  const client = createPuller(await reader.subscribe(TENANT, { ...request({ by: ['country'] }), last: 9 }))
  await client.pull()
  checkpoints.commit(0, [], { sessions: [sessionRow('s', [at(0), at(4)], ['AT', '/a'], 1)] })
  const [update] = await client.pull()
  expect(update.points.map(brief)).toEqual([
    [0, 4, 's/AT', 1, 'PROVISIONAL', 2],
    [0, 4, 's/DE', 1, 'PROVISIONAL', 2],
  ])
})

test('a session that merges retracts its point once, and is in no query and no snapshot after that', async () => {
  const { checkpoints, gateway } = await setUp()
  checkpoints.commit(0, [], { sessions: [session('s', 0, 2), session('s', 3, 5)] })
  const { reader } = await gateway()
  const client = createPuller(await reader.subscribe(TENANT, { ...request(), last: 9 }))
  await client.pull()
  checkpoints.commit(0, [], { sessions: [session('s', 3, 5, 0, gone), session('s', 0, 5, 3, { revision: 2 })] })
  const [update] = await client.pull()
  const merged = [0, 5, 's/DE//a', 3, 'PROVISIONAL', 2]
  expect(update.points.map(brief)).toEqual([merged, [3, 5, 's/DE//a', null, 'RETRACTED', 2]])
  expect(update.points.map(({ events }) => events)).toEqual([3, 0])
  const { points } = await reader.range(TENANT, { ...request(), ...whole })
  expect(points.map(brief)).toEqual([merged])
  const other = createPuller(await reader.subscribe(TENANT, { ...request(), last: 9 }))
  expect((await other.pull()).map((one) => one.points.map(brief))).toEqual([[merged]])
  checkpoints.commit(0, [], { clocks: [liveClock(at(5))] })
  const [next] = await client.pull()
  expect(next.points.map(brief)).toEqual([[0, 5, 's/DE//a', 3, 'PROVISIONAL', 2].with(4, 'COMPLETE')])
})

test('what came and was retracted between two updates is never sent', async () => {
  const { checkpoints, gateway } = await setUp()
  const { reader } = await gateway()
  const client = createPuller(await reader.subscribe(TENANT, { ...request(), last: 9 }))
  await client.next()
  checkpoints.commit(0, [], { sessions: [session('s', 3, 5)] })
  checkpoints.commit(0, [], { sessions: [session('s', 3, 5, 0, gone), session('s', 2, 5, 2)] })
  expect((await client.pull()).map(({ points }) => points.map(brief))).toEqual([
    [[2, 5, 's/DE//a', 2, 'PROVISIONAL', 1]],
  ])
})

test('a cursor resumes on another gateway with what changed, was retracted or ended since', async () => {
  const { checkpoints, gateway } = await setUp(1)
  const sessions = [session('a', 0, 2), session('b', 0, 4), session('b', 5, 7), session('c', 0, 7)]
  checkpoints.commit(0, [], { sessions, clocks: [liveClock(at(1))] })
  const client = createPuller(await (await gateway()).reader.subscribe(TENANT, { ...request({ by: [] }), last: 9 }))
  const { cursor } = await client.next()
  const bridged = [session('b', 5, 7, 0, gone), session('b', 0, 7, 3, { revision: 2 })]
  checkpoints.commit(0, [], { sessions: bridged, clocks: [liveClock(at(2))] })
  const { reader } = await gateway()
  const again = createPuller(await reader.subscribe(TENANT, { ...request({ by: [] }), last: 9, after: cursor }))
  expect((await again.pull()).map(({ kind, points }) => [kind, points.map(brief)])).toEqual([
    [
      'DELTA',
      [
        [0, 2, 'a', 1, 'COMPLETE', 1],
        [0, 7, 'b', 3, 'PROVISIONAL', 2],
        [5, 7, 'b', null, 'RETRACTED', 2],
      ],
    ],
  ])
})

test('a session leaves a while after its end and its last change, and is then asked of the store', async () => {
  const { olap, time, checkpoints, gateway } = await setUp()
  const { reader, view } = await gateway(1)
  checkpoints.commit(0, [], { sessions: [session('s', 0, 2)], clocks: [liveClock(at(60))], at: at(1) })
  const read = async () => (await reader.range(TENANT, { ...request(), ...whole })).points.map(brief)
  time.now = at(2) + 2 * HOUR - 1
  view.sweep()
  expect([await read(), olap.state.questions]).toEqual([[[0, 2, 's/DE//a', 1, 'FINAL', 1]], 0])
  time.now++
  view.sweep()
  await expect(read()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  olap.catchUp()
  expect(await read()).toEqual([[0, 2, 's/DE//a', 1, 'FINAL', 1]])
  expect(olap.state.questions).toBeGreaterThan(0)
})

test('a session that an event can still reach stays, however old it is', async () => {
  const { olap, time, checkpoints, gateway } = await setUp()
  const { reader, view } = await gateway(1)
  checkpoints.commit(0, [], { sessions: [session('s', 0, 2)], clocks: [liveClock(at(12))], at: at(1) })
  time.now = at(900)
  view.sweep()
  expect((await reader.range(TENANT, { ...request(), ...whole })).points).toHaveLength(1)
  expect(olap.state.questions).toBe(0)
  checkpoints.commit(0, [], { clocks: [liveClock(at(12) + 1)] })
  view.sweep()
  await expect(reader.range(TENANT, { ...request(), ...whole })).rejects.toMatchObject({ code: 'UNAVAILABLE' })
})

test('sessions that have left come from the store and all others from the live view, in one order', async () => {
  const { checkpoints, olap, time, gateway } = await setUp()
  checkpoints.commit(0, [], {
    sessions: [session('old', -200, -190, 4), session('older', -210, -209, 1)],
    clocks: [liveClock(at(0))],
    at: at(-189),
  })
  checkpoints.commit(0, [], { sessions: [session('long', -205, -1, 3), session('new', -2, -1, 2)], at: at(-1) })
  olap.catchUp()
  time.now = at(10)
  const { reader } = await gateway()
  checkpoints.commit(1, [], { sessions: [session('late', -195, -192, 1)] })
  const inOrder = ['older', 'long', 'old', 'late', 'new']
  const { points } = await reader.range(TENANT, { ...request({ by: [] }), ...whole })
  expect(points.map(({ dimensions }) => dimensions[0])).toEqual(inOrder)
  const client = createPuller(await reader.subscribe(TENANT, { ...request({ by: [] }), last: 4 }))
  const [snapshot] = await client.pull()
  expect(snapshot.points.map(({ dimensions }) => dimensions[0])).toEqual(inOrder.slice(1))
  expect(olap.state.questions).toBe(2)
})

test('the newest sessions are told whether they have left or not', async () => {
  const { checkpoints, olap, time, gateway } = await setUp()
  const clocks = [liveClock(at(0))]
  const left = [session('left', -180, -175), session('gone', -185, -180)]
  checkpoints.commit(0, [], { sessions: [session('long', -190, -1), ...left], clocks, at: at(-170) })
  olap.catchUp()
  time.now = at(0)
  const { reader } = await gateway()
  const newest = async (last: number) => {
    const client = createPuller(await reader.subscribe(TENANT, { ...request({ by: [] }), last }))
    const [{ points }] = await client.pull()
    return points.map(({ dimensions }) => dimensions[0])
  }
  expect(await newest(1)).toEqual(['left'])
  expect(await newest(2)).toEqual(['gone', 'left'])
  expect(await newest(3)).toEqual(['long', 'gone', 'left'])
})

test('a session of which a row may be gone already is not taken from the state', async () => {
  const { checkpoints, olap, time, gateway } = await setUp()
  const rows = [session('s', 0, 2), sessionRow('s', [at(0), at(1)], ['AT', '/a'], 5)]
  checkpoints.commit(0, [], { sessions: rows, clocks: [liveClock(at(60))], at: at(1) })
  olap.catchUp()
  const mark = { tenant: TENANT, metric: 'views', size: MINUTE, sessions: true as const, mark: at(2) }
  checkpoints.leave((row) => row.dims[0] === 'AT', [mark])
  time.now = at(1) + 2 * HOUR
  const { reader } = await gateway()
  const { points } = await reader.range(TENANT, { ...request({ by: [] }), ...whole })
  expect(points.map(({ value }) => value)).toEqual([6])
})

test('a session that begins earlier in the store already does not count twice', async () => {
  const { checkpoints, olap, time, gateway } = await setUp(1)
  checkpoints.commit(0, [], { sessions: [session('x', -200, -199)], clocks: [liveClock(at(-180))], at: at(-199) })
  time.now = at(0)
  const { reader } = await gateway()
  checkpoints.commit(0, [], { sessions: [session('s', -230, -228), session('s', -226, -225)] })
  olap.catchUp()
  const ahead = { ...checkpoints.history[0][1], sessions: [session('s', -226, -225, 0, gone)] }
  ahead.sessions.push(session('s', -230, -228, 0, gone), session('s', -231, -225, 3))
  ahead.settlement = { ...ahead.settlement, checkpoint: 3 }
  // The store has a checkpoint that is still on its way to the gateway.
  checkpoints.history[0].push(ahead)
  olap.catchUp()
  const reading = reader.range(TENANT, { ...request(), ...whole })
  await new Promise((resolve) => setImmediate(resolve))
  checkpoints.deliver(0, ahead)
  const { points } = await reading
  expect(points.map(brief)).toEqual([
    [-231, -225, 's/DE//a', 3, 'FINAL', 1],
    [-200, -199, 'x/DE//a', 1, 'FINAL', 1],
  ])
})

test('a cursor from before a change to a session that has left gets a RESET', async () => {
  const { checkpoints, olap, time, gateway } = await setUp()
  const { reader, view } = await gateway()
  const { cursor } = await createPuller(await reader.subscribe(TENANT, { ...request(), last: 9 })).next()
  checkpoints.commit(0, [], { sessions: [session('s', 0, 2)], clocks: [liveClock(at(60))], at: at(1) })
  olap.catchUp()
  time.now = at(200)
  view.sweep()
  const [update] = await createPuller(await reader.subscribe(TENANT, { ...request(), last: 9, after: cursor })).pull()
  expect([update.kind, update.points.map(brief)]).toEqual(['RESET', [[0, 2, 's/DE//a', 1, 'FINAL', 1]]])
})
