import { readFile } from 'node:fs/promises'
import { Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { createAdmissionMetrics, createCollectMetrics } from '#gateway/collect/metrics.ts'
import { createIndicators } from '#gateway/indicators/indicators.ts'
import { createArrivalMetrics, measureIndicators } from '#gateway/indicators/metrics.ts'
import { measureShedding } from '#gateway/shedding/metrics.ts'
import type { PartitionReport } from '#schema/report.ts'
import { createPartitionMetrics } from './partition-metrics.ts'

/** All metrics that the documents may name. */
const registerAll = (registry: Registry) => {
  const markers = { latencyP99: () => null, oldest: () => ({ settled: 1, shown: 2, stored: 3 }) }
  const reports = { partitions: () => [], refused: () => undefined, storage: () => undefined, onReport: () => () => {} }
  const indicators = createIndicators({ markers, intake: { dropRate: () => 0 }, reports, clock: { now: () => 0 } })
  createCollectMetrics(registry)
  createAdmissionMetrics(registry, () => 0)
  createArrivalMetrics(registry)
  measureIndicators(registry, indicators, markers)
  measureShedding(registry, { lowestShare: () => 1 }, 1)
  createPartitionMetrics(
    registry,
    () => [],
    () => undefined,
  )
}

test.each(['infra/deploy/prometheus/alerts.yml', 'docs/operations.md'])(
  '%s names no metric that is not',
  async (file) => {
    const registry = new Registry()
    registerAll(registry)
    const known = (await registry.getMetricsAsJSON()).map(({ name }) => name)
    const text = await readFile(new URL(`../../${file}`, import.meta.url), 'utf8')
    const mentioned = text.match(/\b(?:millrace|event|consumer|dashboard|dlq|marker)_[a-z0-9_]+/g)!
    expect(mentioned).toEqual(expect.arrayContaining(['event_processing_latency_p99', 'event_drop_rate']))
    expect(mentioned.filter((name) => !known.includes(name))).toEqual([])
  },
)

test('a processor tells of its own partitions, as it last reported', async () => {
  const registry = new Registry()
  const owned = [0, 2]
  const tenants = [0.5, 0.25].map((share, i) => ({ tenant: `t${i}`, share, since: 0, reason: '' }))
  const decision = { partition: 2, owner: 'o', epoch: 1, tenants, at: 0 }
  const note = createPartitionMetrics(
    registry,
    () => owned,
    (partition) => (partition === 2 ? decision : undefined),
  )
  const load = { behindSeconds: 7.5, eventsPerSecond: 100, arrivingPerSecond: 300 }
  note({ partition: 2, pendingEvents: 750, load } as PartitionReport)
  const values = async () =>
    (await registry.metrics())
      .split('\n')
      .filter((line) => line.startsWith('millrace_'))
      .map((line) => line.replace('millrace_', ''))
  expect(await values()).toEqual([
    'partition_behind_seconds{partition="2"} 7.5',
    'partition_pending_events{partition="2"} 750',
    'partition_arriving_events_per_second{partition="2"} 300',
    'decided_share{partition="0"} 1',
    'decided_share{partition="2"} 0.25',
  ])
  owned.pop()
  expect(await values()).toEqual(['decided_share{partition="0"} 1'])
})
