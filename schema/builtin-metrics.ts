import type { MeasureSpec, MetricDefinition } from './metric.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000

const builtin = (
  name: string,
  event: string,
  measure: MeasureSpec,
  dimensions: string[],
): Omit<MetricDefinition, 'version'> => ({
  name,
  event,
  where: [],
  measure,
  dimensions,
  windows: [
    { kind: 'TUMBLING', sizeMs: MINUTE_MS },
    { kind: 'TUMBLING', sizeMs: HOUR_MS },
  ],
})

/** Metrics that every tenant starts with, so that the first events show something. */
export const BUILTIN_METRICS: readonly Omit<MetricDefinition, 'version'>[] = [
  builtin('page_views', 'page_view', { kind: 'COUNT' }, [
    'country',
    'properties.path',
    'properties.method',
    'properties.status',
  ]),
  builtin('active_users', '*', { kind: 'UNIQUES', field: 'user' }, ['country']),
  builtin('conversions', 'conversion', { kind: 'COUNT' }, ['country']),
  builtin('revenue', 'conversion', { kind: 'SUM', field: 'properties.amount' }, ['country']),
  builtin('bytes_served', 'page_view', { kind: 'SUM', field: 'properties.bytes' }, [
    'country',
    'properties.method',
    'properties.status',
  ]),
]
