import type { MetricInput } from '#schema/metric-check.ts'

export const TENANT = 'shop'
/** Short, so that within a minute of simulated time events come late and identities are forgotten. */
export const HORIZON_MS = 60_000
export const OUT_OF_ORDERNESS_MS = 2_000
export const LEASE_MS = 3_000
export const IDLE = { checkpointMs: 150, liveIdleMs: 4_000, importIdleMs: 6_000 }
export const SEED = Uint32Array.of(11, 22, 33, 44)
export const DEPLOYMENT_ID = 'simulated'

const window = (seconds: number) => ({ kind: 'TUMBLING' as const, sizeMs: seconds * 1_000 })

/** Every measure, with and without dimensions and conditions. */
export const METRICS: readonly MetricInput[] = [
  {
    name: 'events',
    event: '*',
    where: [],
    measure: { kind: 'COUNT' },
    dimensions: [],
    windows: [window(10), window(60)],
  },
  {
    name: 'by_path',
    event: 'view',
    where: [],
    measure: { kind: 'COUNT' },
    dimensions: ['properties.path'],
    windows: [window(20)],
  },
  {
    name: 'amount',
    event: 'buy',
    where: [{ field: 'properties.amount', op: 'GT', value: 2 }],
    measure: { kind: 'SUM', field: 'properties.amount' },
    dimensions: ['properties.path'],
    windows: [window(10)],
  },
  {
    name: 'people',
    event: '*',
    where: [],
    measure: { kind: 'UNIQUES', field: 'user' },
    dimensions: [],
    windows: [window(20)],
  },
  {
    name: 'largest',
    event: 'buy',
    where: [],
    measure: { kind: 'MAX', field: 'properties.amount' },
    dimensions: [],
    windows: [window(60)],
  },
]

/** What `by_path` is changed to while events flow. */
export const CHANGED: readonly MetricInput[] = [
  { ...METRICS[1], where: [{ field: 'properties.path', op: 'NE', value: '/a' }] },
  { ...METRICS[1], dimensions: ['name'], event: '*' },
]
