import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { SessionRow } from '#schema/checkpoint.ts'
import { sessionRowKey } from '#schema/session-rows.ts'
import { fakeOlap } from './fake-olap.ts'
import { createLiveView } from './live-view.ts'
import { createMetricReader, type MetricReader } from './metric-reader.ts'
import type { Point } from './points.ts'
import type { Update } from './subscription.ts'
import { createPuller, definition, fakeCheckpoints, fakeMetricStore, liveClock, sessionRow, TENANT } from './testing.ts'

const MINUTE = 60_000
const HORIZON = 2 * MINUTE
/** 2026-01-01T12:00:00Z */
const NOON = 1_767_268_800_000
const WINDOW = { kind: 'SESSION' as const, gapMs: MINUTE }
const IDS = ['a', 'b', 'c']
const PARTITIONS = 2

interface Event {
  id: string
  time: number
  country: string
}

type Action =
  | { kind: 'commit'; partition: number; events: Event[]; clock: number }
  | { kind: 'read' }
  | { kind: 'sweep'; gateway: number }
  | { kind: 'reload' }
  | { kind: 'reconnect'; gateway: number; lost: boolean }

const actions: fc.Arbitrary<Action[]> = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('commit' as const),
        partition: fc.nat(PARTITIONS - 1),
        events: fc.array(
          fc.record({
            id: fc.constantFrom(...IDS),
            time: fc.nat(24).map((step) => NOON + step * 20_000),
            country: fc.constantFrom('DE', 'AT'),
          }),
          { maxLength: 4 },
        ),
        clock: fc.nat(10 * MINUTE).map((ms) => NOON + ms),
      }),
    },
    { weight: 3, arbitrary: fc.constant({ kind: 'read' as const }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('sweep' as const), gateway: fc.nat(1) }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'reload' as const }) },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('reconnect' as const), gateway: fc.nat(1), lost: fc.boolean() }),
    },
  ),
  { maxLength: 40 },
)

/** The events of one id, cut where more than the gap lies between two. */
const sessionsOf = (events: readonly Event[]): Event[][] => {
  const sessions: Event[][] = []
  for (const event of [...events].sort((x, y) => x.time - y.time)) {
    const last = sessions.at(-1)
    if (last && event.time - last[last.length - 1].time <= WINDOW.gapMs) last.push(event)
    else sessions.push([event])
  }
  return sessions
}

/** A fold in the plainest way: sessions of all events so far, and the rows that say what differs from the last time. */
const createFold = (partition: number) => {
  const events: Event[] = []
  const said = new Map<string, SessionRow>()
  let watermark = Number.NEGATIVE_INFINITY

  const rowsNow = (): SessionRow[] =>
    IDS.flatMap((id) =>
      sessionsOf(events.filter((event) => event.id === id)).flatMap((session) => {
        const span: [number, number] = [session[0].time, session[session.length - 1].time + WINDOW.gapMs]
        const countries = [...new Set(session.map(({ country }) => country))]
        return countries.map((country) =>
          sessionRow(`${id}${partition}`, span, [country], session.filter((event) => event.country === country).length),
        )
      }),
    )

  return {
    /** Rows of the events that are not late; each says its own revision. */
    commit(more: readonly Event[], clock: number): SessionRow[] {
      events.push(...more.filter(({ time }) => time >= watermark - HORIZON))
      watermark = Math.max(watermark, clock)
      const now = new Map(rowsNow().map((row) => [sessionRowKey(row), row]))
      const changed: SessionRow[] = []
      for (const [key, row] of said) {
        if (row.retracted || now.has(key)) continue
        changed.push({ ...row, events: 0, n: undefined, revision: row.revision + 1, retracted: true })
      }
      for (const [key, row] of now) {
        const before = said.get(key)
        if (before?.events !== row.events) changed.push({ ...row, revision: (before?.revision ?? 0) + 1 })
      }
      for (const row of changed) said.set(sessionRowKey(row), row)
      return changed
    },
    watermark: () => watermark,
    /** `[start, end, id, country, events]` of all sessions. */
    points: () => rowsNow().map(({ start, end, session, dims, events: n }) => [start, end, session, dims[0], n].join()),
  }
}

const shown = ({ windowStart, windowEnd, dimensions, value }: Point): string =>
  [windowStart, windowEnd, ...dimensions, value].join()
const keyOf = ({ windowStart, dimensions }: Point): string => `${windowStart} ${dimensions}`

/** Applies updates, and checks that no point comes twice as it was. */
const createDashboard = () => {
  const points = new Map<string, Point>()
  let cursor: string | undefined
  return {
    points: () => [...points.values()],
    cursor: () => cursor,
    apply(update: Update): void {
      if (update.kind !== 'DELTA') points.clear()
      for (const point of update.points) {
        const before = points.get(keyOf(point))
        if (before && before.revision > point.revision) throw new Error(`${keyOf(point)} went back`)
        if (before?.revision === point.revision && before.status === point.status)
          throw new Error(`${keyOf(point)} came twice with revision ${point.revision}`)
        if (point.status !== 'RETRACTED') points.set(keyOf(point), point)
        else if (update.kind === 'DELTA') points.delete(keyOf(point))
        else throw new Error('a snapshot tells of what was retracted')
      }
      cursor = update.cursor
    },
  }
}

const setUp = async () => {
  const checkpoints = fakeCheckpoints(PARTITIONS)
  const olap = fakeOlap(checkpoints.history)
  const metrics = fakeMetricStore(definition({ dimensions: ['country'], windows: [WINDOW] }))
  // So late that whatever can change no more leaves at every sweep, and at every load.
  const clock = { now: () => NOON + 30 * 60 * MINUTE }
  const horizonMs = () => HORIZON
  const gateways = await Promise.all(
    [0, 1].map(async () => {
      const shared = { metrics, partitions: PARTITIONS, clock, horizonMs }
      const view = createLiveView({ feed: checkpoints.feed, log: { warn() {} }, ...shared })
      await view.ready(1_000)
      const options = { ...shared, view, olap: olap.reader, deploymentId: 'd', paceMs: 0 }
      return { view, reader: createMetricReader(options) }
    }),
  )
  return { checkpoints, olap, gateways }
}

const request = { metric: 'views', window: WINDOW }
const subscribe = async (reader: MetricReader, after: string | undefined) =>
  createPuller(await reader.subscribe(TENANT, { ...request, last: 1_000, after }))

const run = async (steps: Action[], leaving: boolean): Promise<void> => {
  const { checkpoints, olap, gateways } = await setUp()
  const folds = Array.from({ length: PARTITIONS }, (_, partition) => createFold(partition))
  const dashboard = createDashboard()
  let client = await subscribe(gateways[0].reader, undefined)
  for (const step of steps) {
    // A snapshot of what has left waits for the store, which moves only between the steps.
    olap.catchUp()
    if (step.kind === 'commit') {
      const sessions = folds[step.partition].commit(step.events, step.clock)
      const clocks = [liveClock(folds[step.partition].watermark())]
      checkpoints.commit(step.partition, [], { sessions, clocks })
    } else if (step.kind === 'sweep' && leaving) gateways[step.gateway].view.sweep()
    else if (step.kind === 'reload' && leaving) checkpoints.gap(0)
    else if (step.kind === 'read') for (const update of await client.pull()) dashboard.apply(update)
    else if (step.kind === 'reconnect') {
      // What was on its way when the connection broke is lost to the dashboard: its cursor is from before.
      if (step.lost) await client.pull()
      await client.end()
      client = await subscribe(gateways[step.gateway].reader, dashboard.cursor())
    }
  }
  olap.catchUp()
  for (const update of await client.pull()) dashboard.apply(update)
  await client.end()

  const expected = folds.flatMap((fold) => fold.points()).sort()
  expect(dashboard.points().map(shown).sort()).toEqual(expected)
  const range = { from: NOON - MINUTE, to: NOON + 60 * MINUTE, limit: 1_000 }
  for (const { reader, view } of gateways) {
    const { points } = await reader.range(TENANT, { ...request, ...range })
    expect(points.map(shown).sort()).toEqual(expected)
    if (!leaving) expect(new Set(dashboard.points())).toEqual(new Set(points))
    expect(reader.watched()).toBe(0)
    await view.close()
  }
}

test('whatever is folded and however often a dashboard reconnects, it shows the sessions of all events', async () => {
  await fc.assert(
    fc.asyncProperty(actions, (steps) => run(steps, false)),
    { numRuns: 200 },
  )
}, 60_000)

test('the same holds where sessions leave the live view and come from the store', async () => {
  await fc.assert(
    fc.asyncProperty(actions, (steps) => run(steps, true)),
    { numRuns: 200 },
  )
}, 60_000)
