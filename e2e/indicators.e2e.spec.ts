import { expect, test } from 'vitest'
import { ask } from '#infra/testing/graphql.ts'
import type { TestProduct } from '#infra/testing/product.ts'
import { openStore } from '#infra/testing/store.ts'
import { until } from '#infra/testing/until.ts'
import { type Scrape, scrape } from './lib/scrape.ts'
import { start } from './lib/start.ts'
import { pageViews, postEvents, track } from './lib/track.ts'

/** Long enough to be no hiccup of a busy machine. */
const NOTABLE_SECONDS = 4
const WELL_SECONDS = 2

const PIPELINE = `{ pipeline {
  eventProcessingLatencyP99 consumerLagSeconds dashboardFreshnessLag eventDropRate dlqEventCount
} }`

interface Pipeline {
  eventProcessingLatencyP99: number
  consumerLagSeconds: number
  dashboardFreshnessLag: number
  eventDropRate: number
  dlqEventCount: string
}

const pipeline = async (product: TestProduct): Promise<Pipeline> =>
  (await ask<{ pipeline: Pipeline }>(product, PIPELINE)).pipeline

const ARRIVED = 'event_processing_latency_seconds_count'
const WAITS_FOR_ROW = 'marker_age_seconds{waits_for="stored"}'

/** Waits for a scrape of which `holds` is true. */
const sees = (product: TestProduct, what: string, holds: (now: Scrape) => boolean): Promise<Scrape> =>
  until(what, async () => {
    const now = await scrape(product)
    return holds(now) && now
  })

/** Runs `body` while processes of this name get no time. */
const whileStopped = async <T>(product: TestProduct, name: string, body: () => Promise<T>): Promise<T> => {
  const pid = product.pids()[name]
  process.kill(pid, 'SIGSTOP')
  try {
    return await body()
  } finally {
    process.kill(pid, 'SIGCONT')
  }
}

const lateEvents = (count: number) => {
  const time = new Date(Date.now() - 3_600_000).toISOString()
  return pageViews('late', count).map((event) => ({ ...event, sessionId: 's', time }))
}

test('each indicator follows the fault that it is there for, and none moves without one', async () => {
  await using product = await start({ flags: ['--partitions=2'] })
  const quiet = await sees(product, 'markers arrive', (now) => now[ARRIVED] >= 3)
  expect(quiet.event_processing_latency_p99).toBeGreaterThan(0)
  expect([quiet.event_drop_rate, quiet.dlq_event_count]).toEqual([0, 0])

  // Late events, after one that moves the watermark of their partition.
  await track(product, [{ id: 'now', name: 'page_view', sessionId: 's' }])
  await track(product, lateEvents(7))
  await sees(product, 'every late event is a dead letter', (now) => now.dlq_event_count === 7)
  expect((await pipeline(product)).dlqEventCount).toBe('7')

  const rejected = await postEvents(product, product.keys.writeKey, '[{"id":"no name"}]')
  expect(rejected.rejected).toBe(1)
  expect((await scrape(product)).event_drop_rate).toBe(0)

  // No store: rows do not arrive. What the store said last stays, and its age shows.
  const arrived = await whileStopped(product, 'storage', async () => {
    const before = await sees(
      product,
      'latency grows',
      (now) => now.event_processing_latency_p99 > NOTABLE_SECONDS && now.dlq_event_count_age_seconds > NOTABLE_SECONDS,
    )
    const grown = await sees(
      product,
      'latency goes on growing, and nothing else',
      (now) =>
        now.event_processing_latency_p99 > before.event_processing_latency_p99 + 1 &&
        now.consumer_lag_seconds < WELL_SECONDS &&
        now.dashboard_freshness_lag < WELL_SECONDS,
    )
    expect(grown.dlq_event_count).toBe(7)
    expect((await pipeline(product)).eventProcessingLatencyP99).toBeGreaterThan(NOTABLE_SECONDS)
    return grown[ARRIVED]
  })
  const back = await sees(
    product,
    'rows arrive again',
    (now) => now[ARRIVED] > arrived && now[WAITS_FOR_ROW] < WELL_SECONDS,
  )
  // What was measured during the outage counts for five minutes.
  expect(back.event_processing_latency_p99).toBeGreaterThan(NOTABLE_SECONDS)

  // No processor: nothing is settled, and dashboards see nothing new.
  await whileStopped(product, 'processor', async () => {
    const before = await sees(
      product,
      'lag and freshness grow',
      (now) => now.consumer_lag_seconds > NOTABLE_SECONDS && now.dashboard_freshness_lag > NOTABLE_SECONDS,
    )
    await sees(
      product,
      'they go on growing',
      (now) =>
        now.consumer_lag_seconds > before.consumer_lag_seconds + 1 &&
        now.dashboard_freshness_lag > before.dashboard_freshness_lag + 1,
    )
    const { consumerLagSeconds, dashboardFreshnessLag } = await pipeline(product)
    expect(Math.min(consumerLagSeconds, dashboardFreshnessLag)).toBeGreaterThan(NOTABLE_SECONDS)
  })
  await sees(
    product,
    'they recover',
    (now) => now.consumer_lag_seconds < WELL_SECONDS && now.dashboard_freshness_lag < WELL_SECONDS,
  )
  expect((await scrape(product)).event_drop_rate).toBe(0)

  // No log: events are not confirmed.
  const dropped = await whileStopped(product, 'nats-server', async () => {
    const { status, error } = await postEvents(product, product.keys.writeKey, JSON.stringify(pageViews('lost', 100)))
    expect([status, error?.code]).toEqual([503, 'UNAVAILABLE'])
    return (await scrape(product)).event_drop_rate
  })
  expect(dropped).toBeGreaterThan(0.5)
  await track(product, pageViews('lost', 100))
  await sees(product, 'events that are taken lower the rate', (now) => now.event_drop_rate < dropped)

  // Markers are seen by nobody: not among the events, not in the counts.
  await using store = await openStore(product)
  await until('all is stored', async () => (await store.totals()).stored === 101)
  expect(await store.totals()).toMatchObject({ stored: 101, late: 7, invalid: 0 })
  expect((await scrape(product)).dlq_event_count).toBe(7)
})
