import { Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { createIndicators } from './indicators.ts'
import { createArrivalMetrics, measureIndicators } from './metrics.ts'

const NAMES = [
  'event_processing_latency_p99',
  'consumer_lag_seconds',
  'dashboard_freshness_lag',
  'event_drop_rate',
  'dlq_event_count',
]

const setUp = () => {
  const registry = new Registry()
  const values = { latency: null as number | null, dropRate: 0 }
  const markers = { latencyP99: () => values.latency, oldest: () => ({ settled: 1, shown: 2, stored: 3 }) }
  const reports = { partitions: () => [], refused: () => undefined, storage: () => undefined, onReport: () => () => {} }
  const intake = { dropRate: () => values.dropRate }
  const indicators = createIndicators({ markers, intake, reports, clock: { now: () => 0 } })
  const arrived = createArrivalMetrics(registry)
  measureIndicators(registry, indicators, markers)
  return { registry, values, arrived }
}

const readValue = async (registry: Registry, name: string): Promise<number> =>
  Number(
    (await registry.metrics())
      .split('\n')
      .find((line) => line.startsWith(`${name} `))!
      .split(' ')[1],
  )

test('every indicator is there under its name, and NaN says that it is not known', async () => {
  const { registry, values } = setUp()
  for (const name of NAMES) expect(await readValue(registry, name)).toBeTypeOf('number')
  expect(await readValue(registry, 'event_processing_latency_p99')).toBeNaN()
  expect(await readValue(registry, 'dlq_event_count')).toBeNaN()
  Object.assign(values, { latency: 0.25, dropRate: 0.5 })
  expect(await readValue(registry, 'event_processing_latency_p99')).toBe(0.25)
  expect(await readValue(registry, 'event_drop_rate')).toBe(0.5)
  expect(await readValue(registry, 'dashboard_freshness_lag')).toBe(2)
})

test('markers that arrive are in the histograms of their place', async () => {
  const { registry, arrived } = setUp()
  arrived('shown', 0.03)
  arrived('stored', 0.2)
  arrived('stored', 0.3)
  expect(await readValue(registry, 'dashboard_latency_seconds_count')).toBe(1)
  expect(await readValue(registry, 'event_processing_latency_seconds_sum')).toBeCloseTo(0.5)
})
