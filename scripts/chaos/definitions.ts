import type { WindowInput } from '#infra/testing/graphql.ts'

export type MeasureInput =
  | { count: true }
  | { sum: string }
  | { avg: string }
  | { uniques: string }
  | { quantiles: string }
  | { topK: { of: string; k: number } }

/** A metric as it is defined; the model reads the very same. */
export interface Definition {
  name: string
  event: string
  where?: { field: string; op: 'EQ'; value: string | number }[]
  measure: MeasureInput
  dimensions: string[]
  windows: WindowInput[]
  sessionGap?: string
}

export const MINUTE: WindowInput = { tumbling: 'PT1M' }
export const HOUR: WindowInput = { tumbling: 'PT1H' }
export const SESSION_END = '$session_end'

const UNITS_MS = { S: 1_000, M: 60_000, H: 3_600_000 } as const

/** Milliseconds of a duration of one unit, such as PT10M. */
export const lengthMs = (duration: string): number => {
  const [, count, unit] = /^PT(\d+)([SMH])$/.exec(duration) ?? []
  if (!unit) throw new Error(`${duration} is not written with one unit`)
  return Number(count) * UNITS_MS[unit as keyof typeof UNITS_MS]
}

const builtin = (name: string, event: string, measure: MeasureInput, dimensions: string[]): Definition => ({
  name,
  event,
  measure,
  dimensions,
  windows: [MINUTE, HOUR],
})

/** What every tenant has, written down once more: the product is not asked what its metrics mean. */
export const BUILTIN: readonly Definition[] = [
  builtin('page_views', 'page_view', { count: true }, [
    'country',
    'properties.path',
    'properties.method',
    'properties.status',
  ]),
  builtin('active_users', '*', { uniques: 'userId' }, ['country']),
  builtin('conversions', 'conversion', { count: true }, ['country']),
  builtin('revenue', 'conversion', { sum: 'properties.amount' }, ['country']),
  builtin('bytes_served', 'page_view', { sum: 'properties.bytes' }, [
    'country',
    'properties.method',
    'properties.status',
  ]),
]

/** Gap of the metrics on the end of sessions: short, so that sessions end, and go on after that, while all breaks. */
export const ENDS_AFTER = 'PT3S'

/** Sessions themselves, as SQL has them while some metric counts their ends. */
export const SESSIONS_VIEW: Definition = {
  name: 'sessions',
  event: '*',
  measure: { count: true },
  dimensions: [],
  windows: [{ session: ENDS_AFTER }],
}

/** Ten minutes sliding by one. */
export const SLIDING: WindowInput = { sliding: { size: 'PT10M', slide: 'PT1M' } }

/** Defined before the first event. */
export const STANDING: readonly Definition[] = [
  {
    name: 'chaos_sliding',
    event: 'page_view',
    measure: { count: true },
    dimensions: ['properties.path'],
    windows: [SLIDING],
  },
  {
    name: 'chaos_spread',
    event: 'page_view',
    measure: { quantiles: 'properties.bytes' },
    dimensions: ['properties.status'],
    windows: [MINUTE, HOUR, SLIDING],
  },
  {
    name: 'chaos_top',
    event: '*',
    measure: { topK: { of: 'properties.item', k: 10 } },
    dimensions: ['name'],
    windows: [MINUTE, HOUR],
  },
  {
    name: 'chaos_items',
    event: 'page_view',
    measure: { uniques: 'properties.item' },
    dimensions: [],
    windows: [MINUTE, HOUR],
  },
  {
    name: 'chaos_big',
    event: 'conversion',
    measure: { sum: 'properties.big' },
    dimensions: ['properties.currency'],
    windows: [MINUTE, HOUR],
  },
  {
    name: 'chaos_visits',
    event: '*',
    measure: { count: true },
    dimensions: [],
    windows: [{ session: 'PT2S' }, { session: 'PT30S' }],
  },
  {
    name: 'chaos_trail',
    event: 'page_view',
    where: [{ field: 'properties.status', op: 'EQ', value: 404 }],
    measure: { sum: 'properties.bytes' },
    dimensions: ['properties.path'],
    windows: [{ session: 'PT5M' }],
  },
  {
    name: 'chaos_ended',
    event: SESSION_END,
    measure: { count: true },
    dimensions: ['userId'],
    windows: [MINUTE],
    sessionGap: ENDS_AFTER,
  },
  {
    name: 'chaos_length',
    event: SESSION_END,
    measure: { sum: 'properties.seconds' },
    dimensions: [],
    windows: [MINUTE],
    sessionGap: ENDS_AFTER,
  },
]
