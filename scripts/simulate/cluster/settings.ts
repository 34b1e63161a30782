import { SESSION_END } from '#schema/event.ts'
import type { MetricInput } from '#schema/metric-check.ts'

export const TENANT = 'shop'
/** Short, so that within a minute of simulated time events come late and identities are forgotten. */
export const HORIZON_MS = 60_000
export const OUT_OF_ORDERNESS_MS = 2_000
export const LEASE_MS = 3_000
export const IDLE = { checkpointMs: 150, liveIdleMs: 4_000, importIdleMs: 6_000 }
export const SEED = Uint32Array.of(11, 22, 33, 44)
export const DEPLOYMENT_ID = 'simulated'

const session = (seconds: number) => ({ kind: 'SESSION' as const, gapMs: seconds * 1_000 })
const window = (seconds: number) => ({ kind: 'TUMBLING' as const, sizeMs: seconds * 1_000 })

/** Every measure, with and without dimensions and conditions. */
export const METRICS: readonly MetricInput[] = [
  {
    name: 'events',
    event: '*',
    where: [],
    measure: { kind: 'COUNT' },
    dimensions: [],
    windows: [window(10), window(60), { kind: 'SLIDING', sizeMs: 60_000, slideMs: 20_000 }],
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
  {
    name: 'sizes',
    event: 'buy',
    where: [],
    measure: { kind: 'QUANTILES', field: 'properties.amount' },
    dimensions: [],
    windows: [window(20)],
  },
  {
    name: 'paths',
    event: '*',
    where: [],
    measure: { kind: 'TOPK', field: 'properties.path', k: 2 },
    dimensions: [],
    windows: [window(60), session(10)],
  },
  {
    name: 'visits',
    event: '*',
    where: [],
    measure: { kind: 'COUNT' },
    dimensions: ['properties.path'],
    windows: [session(5)],
  },
  {
    name: 'spent',
    event: 'buy',
    where: [],
    measure: { kind: 'SUM', field: 'properties.amount' },
    dimensions: [],
    windows: [session(20), window(20)],
  },
  {
    name: 'ended',
    event: SESSION_END,
    where: [],
    measure: { kind: 'COUNT' },
    dimensions: ['userId'],
    windows: [window(10)],
    sessionGapMs: 5_000,
  },
  {
    name: 'length',
    event: SESSION_END,
    where: [{ field: 'properties.events', op: 'GT', value: 1 }],
    measure: { kind: 'SUM', field: 'properties.seconds' },
    dimensions: [],
    windows: [window(20)],
    sessionGapMs: 5_000,
  },
]

const named = (name: string): MetricInput => METRICS.find((metric) => metric.name === name)!

/** What metrics are changed to while events flow. */
export const CHANGED: readonly MetricInput[] = [
  named('by_path'),
  { ...named('by_path'), where: [{ field: 'properties.path', op: 'NE', value: '/a' }] },
  { ...named('by_path'), dimensions: ['name'], event: '*' },
  named('visits'),
  { ...named('visits'), windows: [session(3), window(10)] },
  named('ended'),
  { ...named('ended'), dimensions: [] },
  named('length'),
  { ...named('length'), sessionGapMs: 8_000 },
]
