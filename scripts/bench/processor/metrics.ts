import type { Condition, MeasureSpec, MetricDefinition } from '#schema/metric.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000

interface Shape {
  measure?: MeasureSpec
  dimensions?: string[]
  where?: Condition[]
  sizes?: number[]
}

const define = (name: string, event: string, { measure, dimensions, where, sizes }: Shape): MetricDefinition => ({
  name,
  event,
  where: where ?? [],
  measure: measure ?? { kind: 'COUNT' },
  dimensions: dimensions ?? [],
  windows: (sizes ?? [MINUTE_MS]).map((sizeMs) => ({ kind: 'TUMBLING', sizeMs })),
  version: 1,
})

const BOTH = [MINUTE_MS, HOUR_MS]

/**
 * What a shop asks: the metrics that every tenant starts with, cut to two dimensions, and five more. An event of the mix
 * matches five of them on average, and half of these are kept by minute and by hour.
 */
export const SHOP_METRICS: readonly MetricDefinition[] = [
  define('page_views', 'page_view', { dimensions: ['country', 'properties.path'], sizes: BOTH }),
  define('active_users', '*', {
    measure: { kind: 'UNIQUES', field: 'user' },
    dimensions: ['country'],
    sizes: BOTH,
  }),
  define('conversions', 'conversion', { dimensions: ['country'], sizes: BOTH }),
  define('revenue', 'conversion', {
    measure: { kind: 'SUM', field: 'properties.amount' },
    dimensions: ['country'],
    sizes: BOTH,
  }),
  define('bytes_served', 'page_view', {
    measure: { kind: 'SUM', field: 'properties.bytes' },
    dimensions: ['country', 'properties.status'],
    sizes: BOTH,
  }),
  define('events', '*', { dimensions: ['name', 'device'] }),
  define('devices', '*', { dimensions: ['browser', 'os'] }),
  define('clicks', 'click', { dimensions: ['properties.path', 'properties.target'] }),
  define('failures', 'page_view', {
    where: [{ field: 'properties.status', op: 'GE', value: 400 }],
    dimensions: ['properties.path', 'properties.status'],
  }),
  define('page_size', 'page_view', {
    measure: { kind: 'AVG', field: 'properties.bytes' },
    dimensions: ['properties.path', 'country'],
  }),
]

/** Two metrics that take every page view, the others of the count none of the mix: half by their event's name. */
export const mostlyIdleMetrics = (count: number): MetricDefinition[] => [
  define('page_views', 'page_view', { dimensions: ['country', 'properties.path'] }),
  ...Array.from({ length: Math.max(0, count - 2) }, (_, i) =>
    i % 2 === 0
      ? define(`other_event_${i}`, `event_${i}`, { dimensions: ['country'] })
      : define(`other_path_${i}`, '*', {
          where: [{ field: 'properties.path', op: 'EQ', value: `/no-page-${i}` }],
          dimensions: ['country'],
        }),
  ),
  ...(count > 1 ? [define('page_size', 'page_view', { dimensions: ['properties.path', 'device'] })] : []),
]
