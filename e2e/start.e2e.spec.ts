import { expect, test, vi } from 'vitest'
import { isRunning } from '#infra/nats/process.ts'
import { type MetricChoice, readMetric, total } from '#infra/testing/graphql.ts'
import type { TestProduct } from '#infra/testing/product.ts'
import { openStore, type Store } from '#infra/testing/store.ts'
import { subscribe } from '#infra/testing/subscriber.ts'
import { until } from '#infra/testing/until.ts'
import { start, temporaryFolder } from './lib/start.ts'
import { pageViews, track } from './lib/track.ts'

const VIEWS: MetricChoice = { name: 'page_views', window: 'PT1H', by: [] }
const DOWN_MS = 6_000

const viewsOf = async (product: TestProduct): Promise<number> => {
  const [from, to] = [Date.now() - 86_400_000, Date.now() + 3_600_000].map((ms) => new Date(ms).toISOString())
  return total((await readMetric(product, VIEWS, { from, to })).values())
}

const expectStored = (store: Store, count: number): Promise<void> =>
  vi.waitFor(
    async () => {
      const [row] = await store.sql(
        `SELECT count(*), count(DISTINCT id),
           (SELECT sum(value) FROM hourly_points WHERE metric = 'page_views') FROM raw_events`,
      )
      expect(row).toEqual([count, count, count])
    },
    { timeout: 30_000 },
  )

test('Ctrl-C leaves no process, and the next start has the numbers of the one before and goes on from them', async () => {
  const dataDir = await temporaryFolder()
  {
    await using product = await start({ dataDir })
    await using store = await openStore(product)
    await track(product, pageViews('first', 200))
    await expectStored(store, 200)
    const pids = Object.values(product.pids())
    process.kill(product.pid, 'SIGINT')
    await product.shows('stopped\n')
    await until('the supervisor has ended', () => !isRunning(product.pid))
    expect(pids.filter(isRunning)).toEqual([])
  }
  await using product = await start({ dataDir })
  await using store = await openStore(product)
  expect(await viewsOf(product)).toBe(200)
  await track(product, [...pageViews('first', 200), ...pageViews('second', 100)])
  await vi.waitFor(async () => expect(await viewsOf(product)).toBe(300), { timeout: 30_000 })
  await expectStored(store, 300)
})

test('while storage is away events are taken and live numbers go on; when it is back it has all of them', async () => {
  await using product = await start()
  await using store = await openStore(product)
  await using views = await subscribe(product, VIEWS)
  await track(product, pageViews('before', 10))
  await expectStored(store, 10)
  const { storage } = product.pids()
  process.kill(storage, 'SIGSTOP')
  let sent = 10
  const awayUntil = performance.now() + DOWN_MS
  while (performance.now() < awayUntil) {
    await track(product, pageViews(`away-${sent}`, 10))
    sent += 10
    await views.sees(`${sent} page views`, (points) => total(points.values()) === sent, 10_000)
  }
  process.kill(storage, 'SIGCONT')
  await expectStored(store, sent)
  expect(await viewsOf(product)).toBe(sent)
  expect(product.pids().storage).toBe(storage)
})

test('with --demo a dashboard sees numbers move', async () => {
  await using product = await start({ flags: ['--demo'] })
  for (const name of ['page_views', 'active_users']) {
    await using watch = await subscribe(product, { name, window: 'PT1M', by: [] })
    const before = total(watch.points.values())
    await watch.sees(`${name} grow`, (points) => total(points.values()) > before)
  }
})
