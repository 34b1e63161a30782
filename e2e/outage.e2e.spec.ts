import { expect, test, vi } from 'vitest'
import { isRunning } from '#infra/nats/process.ts'
import { ask, readMetric, total } from '#infra/testing/graphql.ts'
import type { TestProduct } from '#infra/testing/product.ts'
import { openStore } from '#infra/testing/store.ts'
import { until } from '#infra/testing/until.ts'
import { watchMemory } from './lib/memory.ts'
import { scrape } from './lib/scrape.ts'
import { start } from './lib/start.ts'
import { pageViews, postEvents, track } from './lib/track.ts'

/** Of each outage; `npm run chaos -- --outage` has long ones. */
const DOWN_MS = 15_000
const CLIENTS = 120
/** The bound on bytes in flight, and what a gateway needs besides. */
const MOST_BYTES = 64_000_000 + 450_000_000
/** A frame waits 10 s at most; the rest is a busy machine's. */
const ANSWERED_MS = 25_000

/** Kills a process and holds the supervisor, so that nobody starts it again; answers how to let it. */
const takeDown = async (product: TestProduct, name: string) => {
  process.kill(product.pid, 'SIGSTOP')
  const pid = product.pids()[name]
  process.kill(pid, 'SIGKILL')
  await until(`${name} is gone`, () => !isRunning(pid))
  let held = true
  const letGo = (): void => {
    if (held) process.kill(product.pid, 'SIGCONT')
    held = false
  }
  return { letGo, [Symbol.dispose]: letGo }
}

const viewsOf = async (product: TestProduct): Promise<number> => {
  const [from, to] = [Date.now() - 3_600_000, Date.now() + 3_600_000].map((ms) => new Date(ms).toISOString())
  return total((await readMetric(product, { name: 'page_views', window: 'PT1M', by: [] }, { from, to })).values())
}

test('while nats-server is down requests are refused after a bounded wait, memory stays where it is, and then all goes on', async () => {
  const product = await start({ flags: ['--partitions=2'] })
  await using store = await openStore(product)
  await track(product, pageViews('before', 100))
  const codes = new Set<string | undefined>()
  const acknowledged = new Set<string>(pageViews('before', 100).map(({ id }) => id))
  let longestMs = 0
  {
    using nats = await takeDown(product, 'nats-server')
    using memory = watchMemory(product.pids().gateway)
    const end = performance.now() + DOWN_MS
    /** Half a megabyte a request, again and again, over connections of its own. */
    const client = async (name: string): Promise<void> => {
      for (let n = 0; performance.now() < end; n++) {
        const events = pageViews(`${name}-${n}`, 50).map((event) => ({
          ...event,
          context: { page: 'x'.repeat(10_000) },
        }))
        const since = performance.now()
        const answer = await postEvents(product, product.keys.writeKey, JSON.stringify(events))
        longestMs = Math.max(longestMs, performance.now() - since)
        codes.add(answer.error?.code)
        if (answer.accepted > 0) throw new Error('acknowledged what is nowhere')
        await new Promise((resolve) => setTimeout(resolve, 200))
      }
    }
    await Promise.all(Array.from({ length: CLIENTS }, (_, i) => client(`down-${i}`)))
    expect(memory.mostBytes()).toBeGreaterThan(0)
    expect(memory.mostBytes()).toBeLessThan(MOST_BYTES)
    nats.letGo()
  }
  expect([...codes].sort()).toEqual(['OVERLOADED', 'UNAVAILABLE'])
  expect(longestMs).toBeLessThan(ANSWERED_MS)
  await product.shows('nats-server is back')
  await track(product, pageViews('after', 100))
  for (const { id } of pageViews('after', 100)) acknowledged.add(id)
  await vi.waitFor(
    async () => {
      const ids = await store.sql("SELECT id FROM raw_events WHERE id NOT LIKE 'down-%'")
      expect(new Set(ids.map(([id]) => id))).toEqual(acknowledged)
    },
    { timeout: 60_000 },
  )
  await vi.waitFor(async () => expect((await scrape(product)).millrace_in_flight_bytes).toBeLessThan(100_000), {
    timeout: 30_000,
  })
})

interface Latency {
  pipeline: { eventProcessingLatencyP99: number }
}

test('while storage is down live metrics go on and the lag is seen; then it catches up', async () => {
  const product = await start({ flags: ['--partitions=2'] })
  await track(product, pageViews('before', 50))
  {
    using storage = await takeDown(product, 'storage')
    const since = Date.now()
    for (let n = 0; Date.now() - since < DOWN_MS; n++) {
      await track(product, pageViews(`down-${n}`, 50))
      const sent = 50 * (n + 2)
      await vi.waitFor(async () => expect(await viewsOf(product)).toBe(sent), { timeout: 30_000 })
      await new Promise((resolve) => setTimeout(resolve, 1_000))
    }
    const { pipeline } = await ask<Latency>(product, '{ pipeline { eventProcessingLatencyP99 } }')
    expect(pipeline.eventProcessingLatencyP99).toBeGreaterThan(5)
    const seen = await scrape(product)
    expect(seen['marker_age_seconds{waits_for="stored"}']).toBeGreaterThan(5)
    expect(seen['marker_age_seconds{waits_for="shown"}']).toBeLessThan(5)
    storage.letGo()
  }
  const sent = await viewsOf(product)
  await using store = await openStore(product)
  await vi.waitFor(async () => expect(await store.sql('SELECT count(*) FROM raw_events')).toEqual([[sent]]), {
    timeout: 60_000,
  })
  await vi.waitFor(
    async () => expect((await scrape(product))['marker_age_seconds{waits_for="stored"}']).toBeLessThan(5),
    { timeout: 60_000 },
  )
})
