import { createLiveState } from '#gateway/live/live-state.ts'
import { resolveOperation } from '#gateway/live/operation.ts'
import { sessionChanges } from '#gateway/live/session-changes.ts'
import type { SessionOperation } from '#gateway/live/session-operation.ts'
import type { SessionRow } from '#schema/checkpoint.ts'
import type { MetricDefinition } from '#schema/metric.ts'
import { renderTable } from '#scripts/lib/table.ts'
import { type Bench, summarize, timeEach } from './bench.ts'

const TENANT = 'main'
const MINUTE = 60_000
const HORIZON_MS = 10 * MINUTE
const GAP = 30 * MINUTE
/** From push to push; clocks move on by as much. */
const TICK_MS = 100
/** Time in which all sessions that are there have begun. */
const SPREAD_MS = 120 * MINUTE
const NOON = Date.UTC(2026, 0, 1, 12)
/** How many sessions there are, as shares of what was asked for. */
const SIZES = [0.01, 0.1, 1]

const DEFINITION: MetricDefinition = {
  name: 'visits',
  event: '*',
  where: [],
  measure: { kind: 'COUNT' },
  dimensions: ['country'],
  windows: [{ kind: 'SESSION', gapMs: GAP }],
  version: 1,
}

/** Events of session `i` are one after the other; all of them at the clock of their checkpoint. */
const createTraffic = (sessions: number) => {
  const state = createLiveState(1, () => HORIZON_MS)
  const revisions = new Array<number>(sessions).fill(0)
  let checkpoint = 0
  let now = NOON
  const startOf = (i: number): number => NOON - Math.floor((SPREAD_MS * (sessions - i)) / sessions)
  const row = (i: number, time: number): SessionRow => {
    const revision = ++revisions[i]
    const head = { tenant: TENANT, metric: DEFINITION.name, version: 1, gap: GAP, source: 'live', session: `s${i}` }
    const counted = { events: revision, corrections: 0, revision, n: revision }
    return { ...head, start: startOf(i), end: time + GAP, dims: [`country ${i % 20}`], ...counted }
  }
  const commit = (rows: SessionRow[]): void => {
    const clock = { tenant: TENANT, source: 'live', watermark: now, idle: false }
    const known = { partition: 0, epoch: 1, from: 1, to: 0, aggregates: 0, late: 0, totals: {}, outcomes: {} }
    const settlement = { ...known, format: 3, checkpoint: ++checkpoint, clocks: [clock], definitions: [], at: now }
    state.apply(0, { rows: [], sessions: rows, settlement })
  }
  commit(revisions.map((_, i) => row(i, startOf(i))))
  return {
    state,
    moment: () => ({ positions: state.positions(), time: state.time(TENANT) }),
    /** One checkpoint that changes the newest `changed` sessions, and moves the clock past the ends of some others. */
    tick(changed: number): void {
      now += TICK_MS
      commit(Array.from({ length: changed }, (_, i) => row(sessions - 1 - i, now)))
    },
  }
}

const measureTicks = async (operation: SessionOperation, sessions: number, changed: number, ticks: number) => {
  const traffic = createTraffic(sessions)
  let since = traffic.moment()
  let points = 0
  const push = async (): Promise<void> => {
    traffic.tick(changed)
    const now = traffic.moment()
    const table = traffic.state.sessionTable(TENANT, operation.metric, operation.version, operation.gapMs)
    if (table) points += sessionChanges(operation, table, since, now, HORIZON_MS).length
    since = now
  }
  await push()
  points = 0
  const times = await timeEach(Array.from({ length: ticks }), push)
  return { ...summarize(times), points: Math.round(points / ticks) }
}

/** What a push of sessions costs a gateway, and how that grows with those that are there. */
export const sessionsBench: Bench<'sessions' | 'changed' | 'ticks'> = {
  summary: 'what a push of session windows costs a gateway, by how many sessions there are',
  options: {
    sessions: { value: 'N', help: 'sessions in the live view, at most [100000]' },
    changed: { value: 'N', help: 'sessions that change from push to push [100]' },
    ticks: { value: 'N', help: 'pushes [300]' },
  },
  async run(args, say) {
    const most = args.whole('sessions', 100_000, 100, 10_000_000)
    const changed = args.whole('changed', 100, 1, most / 100)
    const ticks = args.whole('ticks', 300, 1, 100_000)
    const operation = resolveOperation(TENANT, DEFINITION, { window: DEFINITION.windows[0] }) as SessionOperation
    const figures = []
    for (const share of SIZES) {
      const sessions = Math.round(most * share)
      say(`${sessions} sessions`)
      figures.push({ sessions, ...(await measureTicks(operation, sessions, changed, ticks)) })
    }
    const lines = figures.map(({ sessions, points, p50Ms, p99Ms, cpuMs }) => [sessions, points, p50Ms, p99Ms, cpuMs])
    say(renderTable([['sessions', 'push: points', 'p50 ms', 'p99 ms', 'cpu ms'], ...lines]))
    return { changed, ticks, figures }
  },
}
