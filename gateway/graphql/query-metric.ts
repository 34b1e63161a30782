import type { RangeResult } from '#gateway/live/metric-reader.ts'
import type { Point } from '#gateway/live/points.ts'
import type { Update } from '#gateway/live/subscription.ts'
import type { WindowStatus } from '#schema/status.ts'
import type { Builder } from './builder.ts'
import { type Conditions, toConditions } from './conditions.ts'
import { toWindow, type WindowInput } from './metrics.ts'
import { need } from './rights.ts'
import { readTime } from './scalars.ts'

const STATUSES = ['PROVISIONAL', 'COMPLETE', 'CORRECTED', 'FINAL', 'RETRACTED'] as const satisfies WindowStatus[]

const addPoint = (builder: Builder) => {
  const status = builder.enumType('WindowStatus', {
    description:
      'PROVISIONAL until the watermark passes the end, then COMPLETE, CORRECTED when it changed after that, FINAL at end + latenessHorizon. RETRACTED: a session that merged or moved; 0 events.',
    values: STATUSES,
  })
  return builder.objectRef<Point>('MetricPoint').implement({
    fields: (t) => ({
      windowStart: t.expose('windowStart', { type: 'DateTime' }),
      windowEnd: t.expose('windowEnd', { type: 'DateTime' }),
      dimensions: t.field({
        type: t.listRef('String', { nullable: true }),
        description: "In the order of the metric's dimensions, or of by. Session windows: sessionId comes first.",
        resolve: ({ dimensions }) => dimensions,
      }),
      value: t.exposeFloat('value', {
        nullable: true,
        description: 'Of count, sum, min, max, avg, uniques; null where nothing was measured.',
      }),
      detail: t.field({
        type: 'JSON',
        nullable: true,
        description:
          'Of quantiles: {"p50":..,"p90":..,"p99":..}, null where nothing was measured; of topK: [{"value":..,"count":..,"error":..}], the heaviest first. The true count is between count and count + error; 0: exact.',
        resolve: ({ detail }) => detail,
      }),
      events: t.expose('events', { type: 'BigInt', description: 'Events folded into this window.' }),
      status: t.field({ type: status, resolve: (point) => point.status }),
      revision: t.exposeInt('revision', { description: 'Grows with every change of this point.' }),
      sampled: t.exposeFloat('sampled', {
        description:
          'Share of events that were kept under load shedding; below 1, value is an unbiased estimate (uniques: a lower bound).',
      }),
      capped: t.exposeBoolean('capped', {
        description: "The cap on series was reached: some of this point's events may stand under other.",
      }),
    }),
  })
}

const addResults = (builder: Builder) => {
  const point = addPoint(builder)
  const kind = builder.enumType('UpdateKind', {
    description: 'RESET: the cursor was too old, so this is a new snapshot.',
    values: ['SNAPSHOT', 'DELTA', 'RESET'] as const,
  })
  const result = builder.objectRef<RangeResult>('MetricResult').implement({
    fields: (t) => ({
      points: t.expose('points', { type: [point] }),
      watermark: t.expose('watermark', { type: 'DateTime', nullable: true }),
      asOf: t.expose('asOf', { type: 'DateTime' }),
      truncated: t.exposeBoolean('truncated'),
    }),
  })
  const update = builder.objectRef<Update>('MetricUpdate').implement({
    fields: (t) => ({
      kind: t.expose('kind', { type: kind }),
      points: t.expose('points', { type: [point] }),
      watermark: t.expose('watermark', { type: 'DateTime', nullable: true }),
      asOf: t.expose('asOf', { type: 'DateTime' }),
      cursor: t.expose('cursor', { type: 'Cursor' }),
    }),
  })
  return { result, update }
}

/** Reading metrics: ranges of windows, and subscriptions. */
export const addQueryMetric = (builder: Builder, conditions: Conditions, window: WindowInput): void => {
  const { result, update } = addResults(builder)
  builder.queryFields((t) => ({
    metric: t.field({
      type: result,
      description:
        "Windows whose start lies in [from, to), from the live view and the store as one. by and where: of the metric's dimensions; where of session windows: also sessionId.",
      args: {
        name: t.arg.string({ required: true }),
        window: t.arg({ type: window, required: true }),
        from: t.arg({ type: 'DateTime', required: true }),
        to: t.arg({ type: 'DateTime', required: true }),
        by: t.arg.stringList(),
        where: t.arg({ type: [conditions.input] }),
        limit: t.arg.int({ defaultValue: 10_000 }),
      },
      async resolve(_, { name, window: asked, from, to, by, where, limit }, context) {
        const result = await context.services.reader.range(need(context, 'READ').tenant, {
          metric: name,
          window: toWindow(asked),
          by: by ?? undefined,
          where: toConditions(where),
          from: readTime('from', from),
          to: readTime('to', to),
          limit: limit ?? 10_000,
        })
        context.reads?.push(result)
        return result
      },
    }),
  }))
  builder.subscriptionFields((t) => ({
    metric: t.field({
      type: update,
      description:
        'A snapshot of the newest windows, then every change. With after: only what changed since that cursor. A session that merged or moved is sent once more, RETRACTED.',
      args: {
        name: t.arg.string({ required: true }),
        window: t.arg({ type: window, required: true }),
        by: t.arg.stringList(),
        where: t.arg({ type: [conditions.input] }),
        last: t.arg.int({ defaultValue: 60 }),
        after: t.arg({ type: 'Cursor' }),
      },
      subscribe: (_, { name, window: asked, by, where, last, after }, context) =>
        context.services.reader.subscribe(need(context, 'READ').tenant, {
          metric: name,
          window: toWindow(asked),
          by: by ?? undefined,
          where: toConditions(where),
          last: last ?? 60,
          after: after ?? undefined,
        }),
      resolve: (one: Update) => one,
    }),
  }))
}
