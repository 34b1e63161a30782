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

/** Defined before the first event. */
export const STANDING: readonly Definition[] = [
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
