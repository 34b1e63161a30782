import { createCells } from '#gateway/live/cells.ts'
import { changesSince } from '#gateway/live/changes.ts'
import { createLiveState } from '#gateway/live/live-state.ts'
import { resolveOperation, type SliceOperation } from '#gateway/live/operation.ts'
import { windowPoints } from '#gateway/live/points.ts'
import { inOrder, startsOf } from '#gateway/live/windows.ts'
import type { AggregateRow } from '#schema/checkpoint.ts'
import { measureOf, stateToJson } from '#schema/measures.ts'
import type { MeasureSpec, MetricDefinition, WindowSpec } from '#schema/metric.ts'
import { renderTable } from '#scripts/lib/table.ts'
import { type Bench, summarize, timeEach } from './bench.ts'

const TENANT = 'main'
const MINUTE = 60_000
const HORIZON_MS = 10 * MINUTE
/** A whole day before it and one after it are multiples of every window. */
const NOON = Date.UTC(2026, 0, 1, 12)

const WINDOWS: Record<string, WindowSpec> = {
  'a minute': { kind: 'TUMBLING', sizeMs: MINUTE },
  'an hour by 1 min': { kind: 'SLIDING', sizeMs: 60 * MINUTE, slideMs: MINUTE },
  'a day by 1 min': { kind: 'SLIDING', sizeMs: 1_440 * MINUTE, slideMs: MINUTE },
}
const MEASURES: MeasureSpec[] = [{ kind: 'COUNT' }, { kind: 'UNIQUES', field: 'userId' }]

const definitionOf = (measure: MeasureSpec): MetricDefinition => ({
  name: 'views',
  event: '*',
  where: [],
  measure,
  dimensions: ['country', 'properties.path'],
  windows: Object.values(WINDOWS),
  version: 1,
})

/** A live view of one partition, and the rows that come to it. */
const createTraffic = ({ measure: spec, name: metric, version }: MetricDefinition, series: number, minutes: number) => {
  const state = createLiveState(1, () => HORIZON_MS)
  const measure = measureOf(spec)
  let checkpoint = 0
  let users = 0
  const row = (minute: number, i: number): AggregateRow => {
    const delta = measure.empty()
    measure.add(delta, measure.read(`user ${users++ % 50_000}`), 1, measure.empty())
    const dims = [`country ${i % 20}`, `/page/${i}`]
    const start = NOON + minute * MINUTE
    const head = { tenant: TENANT, metric, version, size: MINUTE, start, dims }
    return { ...head, events: 1, corrections: 0, ...stateToJson(delta) }
  }
  const commit = (rows: AggregateRow[]): void => {
    const clock = { tenant: TENANT, source: 'live', watermark: NOON + checkpoint * 100, idle: false }
    const known = { partition: 0, epoch: 1, from: 1, to: 0, aggregates: 0, late: 0, totals: {}, outcomes: {} }
    const settlement = { ...known, format: 1, checkpoint: ++checkpoint, clocks: [clock], definitions: [], at: NOON }
    state.apply(0, { rows, sessions: [], settlement })
  }
  for (let minute = 1 - minutes; minute <= 0; minute++) {
    commit(Array.from({ length: series }, (_, i) => row(minute, i)))
  }
  return {
    state,
    moment: () => ({ positions: state.positions(), time: state.time(TENANT) }),
    /** One checkpoint of the newest minute, that changes so many series. */
    tick: (changed: number): void => commit(Array.from({ length: changed }, (_, i) => row(0, i))),
  }
}

type Traffic = ReturnType<typeof createTraffic>

const measureTicks = async (traffic: Traffic, operation: SliceOperation, changed: number, ticks: number) => {
  const cellsOf = createCells(operation)
  let since = traffic.moment()
  let points = 0
  const push = async (): Promise<void> => {
    const now = traffic.moment()
    points += changesSince(operation, traffic.state, cellsOf, since, now, HORIZON_MS).points.length
    since = now
  }
  // What is grouped once for each subscription is not a tick's.
  for (let i = 0; i < 3; i++) {
    traffic.tick(changed)
    await push()
  }
  points = 0
  const times: number[] = []
  let cpuMs = 0
  for (let i = 0; i < ticks; i++) {
    traffic.tick(changed)
    const one = await timeEach([0], push)
    times.push(...one.times)
    cpuMs += one.cpuMs
  }
  return { ...summarize({ times, cpuMs }), points: Math.round(points / ticks) }
}

/** All windows that the live view has, of one group: what a snapshot of a whole dashboard costs at most. */
const measureRange = async (traffic: Traffic, operation: SliceOperation) => {
  const table = traffic.state.table(TENANT, operation.metric, operation.version, operation.sliceMs)
  const slices = inOrder(table?.slices.values() ?? [])
  const at = { time: traffic.moment().time, horizonMs: HORIZON_MS }
  let points = 0
  const { times } = await timeEach([0, 1, 2], async () => {
    points = windowPoints(operation, startsOf(operation, slices), slices, createCells(operation), at).length
  })
  return { rangeMs: Math.round(Math.min(...times) * 10) / 10, rangePoints: points }
}

/** What windows cost whoever reads them: the price of a push, by the kind of window. */
export const windowsBench: Bench<'series' | 'changed' | 'ticks' | 'minutes'> = {
  summary: 'what a push and a range cost a gateway, tumbling and sliding',
  options: {
    series: { value: 'N', help: 'series of each minute [1000]' },
    changed: { value: 'N', help: 'series that change from push to push [100]' },
    ticks: { value: 'N', help: 'pushes of each kind [30]' },
    minutes: { value: 'N', help: 'minutes that the live view has [240]' },
  },
  async run(args, say) {
    const series = args.whole('series', 1_000, 1, 1_000_000)
    const changed = args.whole('changed', 100, 1, series)
    const ticks = args.whole('ticks', 30, 1, 100_000)
    const minutes = args.whole('minutes', 240, 1, 3_000)
    const figures = []
    for (const measure of MEASURES) {
      const definition = definitionOf(measure)
      const traffic = createTraffic(definition, series, minutes)
      for (const by of [undefined, ['country']]) {
        let minuteMs = 0
        for (const [name, window] of Object.entries(WINDOWS)) {
          const operation = resolveOperation(TENANT, definition, { window, by }) as SliceOperation
          const push = await measureTicks(traffic, operation, changed, ticks)
          if (window.kind === 'TUMBLING') minuteMs = push.cpuMs
          const total = await measureRange(
            traffic,
            resolveOperation(TENANT, definition, { window, by: [] }) as SliceOperation,
          )
          const ratio = Math.round((push.cpuMs / minuteMs) * 10) / 10
          say(`${measure.kind} by ${by?.join() ?? 'all'}: ${name}`)
          figures.push({ measure: measure.kind, by: by?.join() ?? 'all', window: name, push, ratio, ...total })
        }
      }
    }
    const head = [
      '',
      'by',
      'window',
      'push: points',
      'p50 ms',
      'p99 ms',
      'cpu ms',
      'of a minute’s',
      'range of totals ms',
      'points',
    ]
    const lines = figures.map(({ push, ...one }) => [
      one.measure,
      one.by,
      one.window,
      ...[push.points, push.p50Ms, push.p99Ms, push.cpuMs, `${one.ratio} times`, one.rangeMs, one.rangePoints],
    ])
    say(renderTable([head, ...lines]))
    return { series, changed, ticks, minutes, figures }
  },
}
