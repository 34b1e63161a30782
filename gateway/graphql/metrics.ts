import { MillraceError } from '#schema/errors.ts'
import { SESSION_END } from '#schema/event.ts'
import { DEFAULT_SESSION_GAP_MS } from '#schema/limits.ts'
import { EXACT_MEMBERS } from '#schema/measures/uniques.ts'
import { DEFAULT_K, MEASURE_KINDS, type MeasureSpec, type MetricDefinition, type WindowSpec } from '#schema/metric.ts'
import { METRIC_LIMITS } from '#schema/metric-check.ts'
import type { Builder } from './builder.ts'
import { type Conditions, toConditions } from './conditions.ts'
import { refuseProblems } from './ingest-problems.ts'
import { need } from './rights.ts'

const addMetricType = (builder: Builder, conditions: Conditions) => {
  const measureKind = builder.enumType('MeasureKind', {
    values: MEASURE_KINDS,
  })
  const windowKind = builder.enumType('WindowKind', { values: ['TUMBLING', 'SLIDING', 'SESSION'] as const })
  const measure = builder.objectRef<MeasureSpec>('Measure').implement({
    fields: (t) => ({
      kind: t.expose('kind', { type: measureKind }),
      field: t.string({ nullable: true, resolve: ({ field }) => field }),
      k: t.int({ nullable: true, resolve: ({ kind, k }) => (kind === 'TOPK' ? (k ?? DEFAULT_K) : null) }),
    }),
  })
  const window = builder.objectRef<WindowSpec>('Window').implement({
    fields: (t) => ({
      kind: t.field({ type: windowKind, resolve: ({ kind }) => kind }),
      size: t.field({
        type: 'Duration',
        nullable: true,
        resolve: (one) => (one.kind === 'SESSION' ? null : one.sizeMs),
      }),
      slide: t.field({
        type: 'Duration',
        nullable: true,
        resolve: (one) => (one.kind === 'SLIDING' ? one.slideMs : null),
      }),
      gap: t.field({
        type: 'Duration',
        nullable: true,
        resolve: (one) => (one.kind === 'SESSION' ? one.gapMs : null),
      }),
    }),
  })
  return builder.objectRef<MetricDefinition>('Metric').implement({
    fields: (t) => ({
      name: t.exposeString('name'),
      event: t.exposeString('event'),
      where: t.expose('where', { type: [conditions.output] }),
      measure: t.expose('measure', { type: measure }),
      dimensions: t.exposeStringList('dimensions'),
      windows: t.expose('windows', { type: [window] }),
      sessionGap: t.field({ type: 'Duration', nullable: true, resolve: ({ sessionGapMs }) => sessionGapMs ?? null }),
      version: t.exposeInt('version'),
    }),
  })
}

const addMetricInput = (builder: Builder, conditions: Conditions) => {
  const topK = builder.inputType('TopKInput', {
    description: `The heaviest values of a field, at most ${METRIC_LIMITS.topValues}.`,
    fields: (t) => ({ of: t.string({ required: true }), k: t.int({ defaultValue: DEFAULT_K }) }),
  })
  const measure = builder.inputType('MeasureInput', {
    isOneOf: true,
    description: 'Exactly one field is given.',
    fields: (t) => ({
      count: t.boolean(),
      sum: t.string(),
      min: t.string(),
      max: t.string(),
      avg: t.string(),
      uniques: t.string({
        description: `Distinct values: exact up to ${EXACT_MEMBERS}, then with a standard error of 0.81 %.`,
      }),
      quantiles: t.string({ description: 'p50, p90 and p99 in detail, each within 1 % of the exact value.' }),
      topK: t.field({ type: topK }),
    }),
  })
  const sliding = builder.inputType('SlidingInput', {
    fields: (t) => ({
      size: t.field({ type: 'Duration', required: true }),
      slide: t.field({ type: 'Duration', required: true }),
    }),
  })
  const window = builder.inputType('WindowInput', {
    isOneOf: true,
    description: 'Exactly one field is given.',
    fields: (t) => ({
      tumbling: t.field({ type: 'Duration' }),
      sliding: t.field({ type: sliding }),
      session: t.field({ type: 'Duration', description: 'The gap after which a session has ended.' }),
    }),
  })
  const metric = builder.inputType('MetricInput', {
    fields: (t) => ({
      name: t.string({ required: true }),
      event: t.string({ required: true, description: `Event name, * for all, or ${SESSION_END} for sessions.` }),
      where: t.field({ type: [conditions.input] }),
      measure: t.field({ type: measure, required: true }),
      dimensions: t.stringList({
        description:
          'Up to 4 of: name, country, browser, os, device, userId, sessionId, properties.<path>, context.<path>.',
      }),
      windows: t.field({ type: [window], required: true }),
      sessionGap: t.field({
        type: 'Duration',
        description: `Of metrics on ${SESSION_END}: the gap after which a session has ended; PT30M by default.`,
      }),
    }),
  })
  return { metric, window }
}

interface MeasureInput extends Partial<Record<'sum' | 'min' | 'max' | 'avg' | 'uniques' | 'quantiles', string>> {
  count?: boolean
  topK?: { of: string; k?: number | null }
}

interface WindowValue {
  tumbling?: number | null
  sliding?: { size: number; slide: number } | null
  session?: number | null
}

/** GraphQL has made sure that exactly one is given. */
export const toWindow = ({ tumbling, sliding, session }: WindowValue): WindowSpec => {
  if (sliding) return { kind: 'SLIDING', sizeMs: sliding.size, slideMs: sliding.slide }
  if (typeof session === 'number') return { kind: 'SESSION', gapMs: session }
  return { kind: 'TUMBLING', sizeMs: tumbling as number }
}

const toMeasure = (input: MeasureInput): MeasureSpec => {
  if (input.count === false) throw new MillraceError('BAD_INPUT', 'measure: write count: true, or give another measure')
  if (input.count) return { kind: 'COUNT' }
  if (input.topK) return { kind: 'TOPK', field: input.topK.of, k: input.topK.k ?? DEFAULT_K }
  const [[name, field]] = Object.entries(input) as [string, string][]
  return { kind: name.toUpperCase() as MeasureSpec['kind'], field }
}

/** Metrics as definitions. Answers the input type of windows, which readers use too. */
export const addMetrics = (builder: Builder, conditions: Conditions) => {
  const metric = addMetricType(builder, conditions)
  const input = addMetricInput(builder, conditions)
  builder.queryFields((t) => ({
    metrics: t.field({
      type: [metric],
      resolve: (_, __, context) => {
        const { tenant } = need(context, 'READ')
        const records = context.services.metrics.list(tenant).filter(({ deleted }) => !deleted)
        return records.map(({ definition }) => definition).sort((a, b) => (a.name < b.name ? -1 : 1))
      },
    }),
  }))
  builder.mutationFields((t) => ({
    defineMetric: t.field({
      type: metric,
      description: 'Needs admin rights.',
      args: { input: t.arg({ type: input.metric, required: true }) },
      resolve: (_, args, context) => {
        const { tenant } = need(context, 'ADMIN')
        refuseProblems(context.problems)
        const { name, event, where, measure, dimensions, windows, sessionGap } = args.input
        return context.services.admin.define(tenant, {
          name,
          event,
          where: toConditions(where),
          measure: toMeasure(measure as MeasureInput),
          dimensions: dimensions ?? [],
          windows: windows.map(toWindow),
          ...(event === SESSION_END || sessionGap ? { sessionGapMs: sessionGap ?? DEFAULT_SESSION_GAP_MS } : {}),
        })
      },
    }),
    deleteMetric: t.boolean({
      description: 'Needs admin rights. Answers whether there was such a metric.',
      args: { name: t.arg.string({ required: true }) },
      resolve: (_, { name }, context) => context.services.admin.remove(need(context, 'ADMIN').tenant, name),
    }),
  }))
  return input.window
}

export type WindowInput = ReturnType<typeof addMetrics>
