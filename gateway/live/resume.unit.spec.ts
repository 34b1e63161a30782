import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { WindowSpec } from '#schema/metric.ts'
import { fakeOlap } from './fake-olap.ts'
import { createLiveView } from './live-view.ts'
import { createMetricReader, type MetricReader } from './metric-reader.ts'
import type { Update } from './subscription.ts'
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

const PARTITIONS = 3
const MINUTE = 60_000
/** 2026-01-01T12:00:00Z */
const NOON = 1_767_268_800_000
/** Windows before this one have left the live view in the half of the runs that have a mark. */
const MARK = NOON + 3 * MINUTE

type Action =
  | { kind: 'commit'; partition: number; rows: { minute: number; country: string; events: number }[]; clock: number }
  | { kind: 'read' }
  | { kind: 'reconnect'; gateway: number; lost: boolean }
  | { kind: 'store' }

const commit = fc.record({
  kind: fc.constant('commit' as const),
  partition: fc.nat(PARTITIONS - 1),
  rows: fc.array(
    fc.record({
      minute: fc.nat(5),
      country: fc.constantFrom('DE', 'AT', 'CH'),
      events: fc.integer({ min: 1, max: 9 }),
    }),
    { maxLength: 3 },
  ),
  clock: fc.nat(6 * MINUTE),
})
const actions: fc.Arbitrary<Action[]> = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: commit },
    { weight: 3, arbitrary: fc.constant({ kind: 'read' as const }) },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('reconnect' as const), gateway: fc.nat(1), lost: fc.boolean() }),
    },
    { weight: 1, arbitrary: fc.constant({ kind: 'store' as const }) },
  ),
  { maxLength: 40 },
)

/** All of them can be made of minutes. */
const windows = fc.constantFrom(
  tumbling(MINUTE),
  tumbling(2 * MINUTE),
  sliding(3 * MINUTE, MINUTE),
  sliding(4 * MINUTE, 2 * MINUTE),
  sliding(5 * MINUTE, 2 * MINUTE),
)

interface Seen {
  value: number | null
  revision: number
  status: string
}

/** A dashboard: applies updates, and checks that no point comes twice. `repeats` are allowed where the store answered. */
const createDashboard = (repeatsBefore: number) => {
  const points = new Map<string, Seen>()
  let cursor: string | undefined
  return {
    points,
    cursor: () => cursor,
    apply(update: Update): void {
      if (update.kind !== 'DELTA') points.clear()
      for (const { windowStart, dimensions, value, revision, status } of update.points) {
        const key = `${windowStart} ${dimensions.join('/')}`
        const before = points.get(key)
        const isRepeat = before?.revision === revision && before.status === status
        if (isRepeat && windowStart >= repeatsBefore) throw new Error(`${key} came twice with revision ${revision}`)
        if (before && before.revision > revision) throw new Error(`${key} went back to revision ${revision}`)
        points.set(key, { value, revision, status })
      }
      cursor = update.cursor
    },
  }
}

const setUp = async (withMark: boolean) => {
  const checkpoints = fakeCheckpoints(PARTITIONS)
  const olap = fakeOlap(checkpoints.history)
  const metrics = fakeMetricStore(definition({ dimensions: ['country'] }))
  if (withMark) {
    checkpoints.leave(({ start }) => start < MARK, [{ tenant: TENANT, metric: 'views', size: MINUTE, mark: MARK }])
    for (let p = 0; p < PARTITIONS; p++) checkpoints.commit(p, [row(NOON, ['DE'], 1)])
    olap.catchUp()
  }
  const clock = { now: () => 1_000 }
  const gateways = await Promise.all(
    [0, 1].map(async () => {
      const view = createLiveView({
        feed: checkpoints.feed,
        metrics,
        partitions: PARTITIONS,
        clock,
        log: { warn() {} },
      })
      await view.ready(1_000)
      const options = { view, metrics, olap: olap.reader, clock, deploymentId: 'd', horizonMs: () => MINUTE, paceMs: 0 }
      return { view, reader: createMetricReader(options) }
    }),
  )
  return { checkpoints, olap, gateways }
}

const subscribe = async (reader: MetricReader, window: WindowSpec, after: string | undefined) =>
  createPuller(await reader.subscribe(TENANT, { metric: 'views', window, last: 100, after }))

/** Starts of the windows that hold the minute that starts at `minute`. */
const startsOf = (window: WindowSpec, minute: number): number[] => {
  if (window.kind === 'SESSION') return []
  const slideMs = window.kind === 'SLIDING' ? window.slideMs : window.sizeMs
  const first = minute - window.sizeMs + MINUTE
  return Array.from({ length: window.sizeMs / MINUTE }, (_, i) => first + i * MINUTE).filter(
    (start) => start % slideMs === 0,
  )
}

const run = async (window: WindowSpec, steps: Action[], withMark: boolean): Promise<void> => {
  const { checkpoints, olap, gateways } = await setUp(withMark)
  const dashboard = createDashboard(withMark ? MARK : Number.NEGATIVE_INFINITY)
  let client = await subscribe(gateways[0].reader, window, undefined)
  for (const step of steps) {
    if (step.kind === 'commit') {
      const rows = step.rows.map(({ minute, country, events }) => row(NOON + minute * MINUTE, [country], events))
      checkpoints.commit(step.partition, rows, { clocks: [liveClock(NOON + step.clock)] })
    } else if (step.kind === 'store') olap.catchUp()
    else if (step.kind === 'read') for (const update of await client.pull()) dashboard.apply(update)
    else {
      // What was on its way when the connection broke is lost to the dashboard: its cursor is from before.
      if (step.lost) await client.pull()
      await client.end()
      // A new snapshot waits for the store, which moves only between the steps.
      if (dashboard.cursor() === undefined) olap.catchUp()
      client = await subscribe(gateways[step.gateway].reader, window, dashboard.cursor())
    }
  }
  olap.catchUp()
  for (const update of await client.pull()) dashboard.apply(update)
  const range = { from: NOON - 10 * MINUTE, to: NOON + 10 * MINUTE, limit: 1_000 }
  const expected = await gateways[1].reader.range(TENANT, { metric: 'views', window, ...range })
  // Old windows follow as soon as the store is asked again: wait for the last of them.
  const isThere = () =>
    expected.points.every(({ windowStart, dimensions, value, status }) => {
      const seen = dashboard.points.get(`${windowStart} ${dimensions}`)
      // Of a window that has left, the view does not see that time moves on.
      return seen?.value === value && (seen.status === status || (withMark && windowStart < MARK))
    })
  while (withMark && !isThere()) dashboard.apply(await client.next())
  expect(isThere()).toBe(true)
  await client.end()

  const totals = new Map<string, number>()
  for (const { rows } of checkpoints.history.flat()) {
    for (const { start, dims, events } of rows) {
      for (const windowStart of startsOf(window, start)) {
        const key = `${windowStart} ${dims}`
        totals.set(key, (totals.get(key) ?? 0) + events)
      }
    }
  }
  expect(new Map([...dashboard.points].map(([key, { value }]) => [key, value]))).toEqual(totals)
  expect(gateways.map(({ reader }) => reader.watched())).toEqual([0, 0])
  await Promise.all(gateways.map(({ view }) => view.close()))
}

test('whatever is committed and however often a dashboard reconnects, its last values are the sums of all rows', async () => {
  await fc.assert(
    fc.asyncProperty(windows, actions, (window, steps) => run(window, steps, false)),
    { numRuns: 150 },
  )
})

test('the same holds for windows that have left the live view and come from the store', async () => {
  await fc.assert(
    fc.asyncProperty(windows, actions, (window, steps) => run(window, steps, true)),
    { numRuns: 60 },
  )
}, 60_000)
