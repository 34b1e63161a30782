import fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'
import type { WindowSpec } from '#schema/metric.ts'
import { fakeOlap } from './fake-olap.ts'
import { createLiveView, type LiveView } from './live-view.ts'
import { createMetricReader } from './metric-reader.ts'
import type { Point } from './points.ts'
import {
  createPuller,
  definition,
  fakeCheckpoints,
  fakeMetricStore,
  liveClock,
  row,
  sliding,
  TENANT,
  tumbling,
} from './testing.ts'

const MINUTE = 60_000
/** 2026-01-01T12:00:00Z */
const NOON = 1_767_268_800_000
const at = (minute: number): number => NOON + minute * MINUTE

const views: LiveView[] = []
afterEach(async () => {
  await Promise.all(views.splice(0).map((view) => view.close()))
})

const setUp = (windows: WindowSpec[] = [tumbling(MINUTE)]) => {
  const metrics = fakeMetricStore(definition({ dimensions: ['country'], windows }))
  const checkpoints = fakeCheckpoints(1)
  const olap = fakeOlap(checkpoints.history)
  const time = { now: NOON }
  const clock = { now: () => time.now }
  const open = async () => {
    const view = createLiveView({ feed: checkpoints.feed, metrics, partitions: 1, clock, log: { warn() {} } })
    views.push(view)
    await view.ready(1_000)
    const options = { view, metrics, olap: olap.reader, clock, deploymentId: 'd', horizonMs: () => 10 * MINUTE }
    return { view, reader: createMetricReader({ ...options, paceMs: 0 }) }
  }
  return { checkpoints, olap, time, open }
}

const whole = { from: at(-10_000), to: at(10_000), limit: 100_000 }
const brief = ({ windowStart, windowEnd, dimensions, value, status }: Point) => [
  (windowStart - NOON) / MINUTE,
  (windowEnd - NOON) / MINUTE,
  dimensions.join('/'),
  value,
  status,
]

test('an event is in size / slide windows, and windows without events have no point', async () => {
  const { checkpoints, open } = setUp()
  checkpoints.commit(0, [row(at(0), ['DE'], 1), row(at(1), ['DE'], 2), row(at(7), ['AT'], 4)])
  const { reader } = await open()
  const window = sliding(4 * MINUTE, 2 * MINUTE)
  const { points } = await reader.range(TENANT, { metric: 'views', window, ...whole })
  expect(points.map(brief)).toEqual([
    [-2, 2, 'DE', 3, 'PROVISIONAL'],
    [0, 4, 'DE', 3, 'PROVISIONAL'],
    [4, 8, 'AT', 4, 'PROVISIONAL'],
    [6, 10, 'AT', 4, 'PROVISIONAL'],
  ])
  // By their starts, as all windows are asked for.
  const some = await reader.range(TENANT, { metric: 'views', window, from: at(-1), to: at(6), limit: 10 })
  expect(some.points.map(brief)).toEqual(points.slice(1, 3).map(brief))
})

test("a point's status follows from its own window's end", async () => {
  const { checkpoints, open } = setUp([sliding(3 * MINUTE, MINUTE)])
  const late = row(at(0), ['DE'], 1, { corrections: 1, correctedAt: at(2) })
  checkpoints.commit(0, [row(at(0), ['DE'], 1), late], { clocks: [liveClock(at(11))] })
  const { reader } = await open()
  const window = sliding(3 * MINUTE, MINUTE)
  const statuses = async () => (await reader.range(TENANT, { metric: 'views', window, ...whole })).points.map(brief)
  expect(await statuses()).toEqual([
    [-2, 1, 'DE', 2, 'FINAL'],
    [-1, 2, 'DE', 2, 'CORRECTED'],
    [0, 3, 'DE', 2, 'COMPLETE'],
  ])
})

test('what a window can be made of is said, and so is what cannot be', async () => {
  const { open } = setUp([sliding(60 * MINUTE, 5 * MINUTE), { kind: 'SESSION', gapMs: MINUTE }])
  const { reader } = await open()
  const ask = (window: WindowSpec) => reader.range(TENANT, { metric: 'views', window, ...whole })
  await ask(tumbling(5 * MINUTE))
  await ask(tumbling(7_200 * MINUTE))
  await ask(sliding(120 * MINUTE, 10 * MINUTE))
  const refused = { code: 'WINDOW_NOT_DEFINED' }
  await expect(ask(sliding(60 * MINUTE, MINUTE))).rejects.toMatchObject({
    ...refused,
    message:
      'metric views has no window of PT1H sliding by PT1M; it has PT1H sliding by PT5M, sessions with a gap of PT1M. ' +
      'Ask for one of these, or for a size and a slide that are whole multiples of PT5M (a size of at most 1440 times ' +
      'that), or define the metric with this window',
  })
  await expect(ask(tumbling(7_205 * MINUTE))).rejects.toMatchObject(refused)
  await expect(ask(tumbling(7 * MINUTE))).rejects.toMatchObject(refused)
  await expect(ask(sliding(5 * MINUTE, 10 * MINUTE))).rejects.toMatchObject({ code: 'BAD_INPUT' })
})

test('a day that slides by a minute is pushed from the live view, though its first minutes are hours old', async () => {
  const day = sliding(24 * 60 * MINUTE, MINUTE)
  const { checkpoints, olap, time, open } = setUp([day])
  const { view, reader } = await open()
  checkpoints.commit(0, [row(at(-1_380), ['DE'], 1), row(at(-120), ['DE'], 2)], { at: at(-120) })
  view.sweep()
  const updates = createPuller(await reader.subscribe(TENANT, { metric: 'views', window: day, last: 2 }))
  await updates.pull()
  checkpoints.commit(0, [row(at(0), ['DE'], 4)], { at: NOON })
  const points = (await updates.pull()).flatMap((update) => update.points)
  expect(points).toHaveLength(1_440)
  const values = Map.groupBy(points, ({ value }) => value)
  // From the first that holds this minute to the last that holds the oldest one; then those that hold only newer ones.
  expect([7, 6, 4].map((value) => values.get(value)?.length)).toEqual([60, 1_260, 120])
  expect(olap.state.questions).toBe(0)
  time.now = at(26 * 60) + 1
  view.sweep()
  olap.catchUp()
  await reader.range(TENANT, { metric: 'views', window: day, ...whole })
  expect(olap.state.questions).toBe(1)
  await updates.end()
})

const rows = fc.array(
  fc.record({ minute: fc.nat(40), country: fc.constantFrom('DE', 'AT', 'CH'), events: fc.integer({ min: 1, max: 9 }) }),
  { maxLength: 40 },
)
const geometry = fc
  .record({ slide: fc.integer({ min: 1, max: 4 }), times: fc.integer({ min: 1, max: 8 }), extra: fc.nat(3) })
  .map(({ slide, times, extra }) => ({ slide, size: Math.max(slide, slide * times + extra) }))

test('ranges are the sums of their rows, whatever the window, from the live view and from the store', async () => {
  await fc.assert(
    fc.asyncProperty(rows, geometry, fc.nat(40), fc.boolean(), async (some, { slide, size }, left, byAll) => {
      const { checkpoints, olap, open } = setUp()
      const mark = at(left)
      checkpoints.leave(({ start }) => start < mark, [{ tenant: TENANT, metric: 'views', size: MINUTE, mark }])
      for (const { minute, country, events } of some) checkpoints.commit(0, [row(at(minute), [country], events)])
      olap.catchUp()
      const { reader } = await open()
      const window = sliding(size * MINUTE, slide * MINUTE)
      const request = { metric: 'views', window, by: byAll ? ['country'] : [] }
      const { points } = await reader.range(TENANT, { ...request, ...whole })
      const expected = new Map<string, number>()
      // Windows are aligned to 1970: noon is a multiple of 1, 2, 3 and 4 minutes.
      for (let start = -size - (-size % slide); start <= 40; start += slide) {
        for (const { minute, country, events } of some) {
          if (minute < start || minute >= start + size) continue
          const key = `${start} ${byAll ? country : ''}`
          expected.set(key, (expected.get(key) ?? 0) + events)
        }
      }
      const found = points.map(({ windowStart, dimensions, value }) => [
        `${(windowStart - NOON) / MINUTE} ${dimensions.join('/')}`,
        value,
      ])
      expect(Object.fromEntries(found)).toEqual(Object.fromEntries(expected))
      expect(found).toHaveLength(expected.size)
      const first = await reader.range(TENANT, { ...request, ...whole, limit: 3 })
      expect(first).toMatchObject({ points: points.slice(0, 3), truncated: points.length > 3 })
      await Promise.all(views.splice(0).map((view) => view.close()))
    }),
    { numRuns: 100 },
  )
})
