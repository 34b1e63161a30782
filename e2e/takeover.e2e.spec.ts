import { expect, test, vi } from 'vitest'
import { readMetric, total } from '#infra/testing/graphql.ts'
import type { TestProduct } from '#infra/testing/product.ts'
import { openStore, type Store } from '#infra/testing/store.ts'
import { until } from '#infra/testing/until.ts'
import { type Owners, startProcessor, watchOwners } from './lib/processor.ts'
import { start } from './lib/start.ts'
import { pageViews, track } from './lib/track.ts'

const PARTITIONS = 8
const TAKEOVER_MS = 5_000
/** Where the machine does more than this. */
const BUSY_MS = 3_000
const STOPPED_MS = 20_000

const BY_NOBODY = { name: 'page_views', window: 'PT1M', by: [] }

/** Everything that was sent is counted once: by the metric and in the raw events. */
const expectCounts = async (product: TestProduct, store: Store, sent: number): Promise<void> => {
  const [from, to] = [Date.now() - 3_600_000, Date.now() + 3_600_000].map((ms) => new Date(ms).toISOString())
  await vi.waitFor(
    async () => {
      const views = total((await readMetric(product, BY_NOBODY, { from, to })).values())
      const [[stored, distinct]] = await store.sql('SELECT count(*), count(DISTINCT id) FROM raw_events')
      expect({ views, stored, distinct }).toEqual({ views: sent, stored: sent, distinct: sent })
    },
    { timeout: 30_000 },
  )
}

/** Checkpoints follow each other, and after one of a new owner there is none of a former one. */
const expectOneOwnerAfterTheOther = async (owners: Owners): Promise<void> => {
  for (const commits of await owners.commits()) {
    expect(commits.length).toBeGreaterThan(0)
    expect(commits.map(({ checkpoint }) => checkpoint)).toEqual(commits.map((_, i) => i + 1))
    const epochs = commits.map(({ epoch }) => epoch)
    expect(epochs).toEqual([...epochs].sort((a, b) => a - b))
  }
}

/** Resolves when every partition has an owner for which `isNew` holds; answers how long that took, milliseconds. */
const takenOver = async (owners: Owners, isNew: (pid: number) => boolean): Promise<number> => {
  const since = performance.now()
  await until('all partitions have a new owner', async () => {
    const pids = (await owners.read()).map(({ pid }) => pid)
    return pids.length === PARTITIONS && pids.every(isNew)
  })
  return performance.now() - since
}

test('a second processor takes what is free, takes over what died, and fences what was stopped', async () => {
  await using product = await start({ flags: [`--partitions=${PARTITIONS}`] })
  await using store = await openStore(product)
  await using owners = await watchOwners(product, PARTITIONS)
  const first = product.pids().processor
  await takenOver(owners, (pid) => pid === first)
  const before = await owners.read()
  let sent = 0
  const send = async (count: number): Promise<void> => {
    await track(product, pageViews(`e${sent}`, count))
    sent += count
  }

  await using second = await startProcessor(product)
  // Longer than a lease: whatever the second one could take by waiting it has had the time for.
  const looksUntil = performance.now() + 5_000
  await until('the second one has looked around', async () => {
    await send(50)
    expect(await owners.read()).toEqual(before)
    return performance.now() > looksUntil
  })
  await expectCounts(product, store, sent)

  process.kill(first, 'SIGKILL')
  await send(100)
  const afterKill = await takenOver(owners, (pid) => pid !== first)
  console.log(`after SIGKILL all partitions had a new owner within ${Math.round(afterKill)} ms`)
  expect(afterKill).toBeLessThan(TAKEOVER_MS + BUSY_MS)
  expect((await owners.read()).filter(({ pid }) => pid === second.pid).length).toBeGreaterThan(0)
  await expectCounts(product, store, sent)

  const third = await until('the supervisor has started another one', () => {
    const pid = product.pids().processor
    return pid !== first && pid
  })
  // In the middle of traffic: what it has read and not committed is what it will try to write when it goes on.
  for (let i = 0; i < 20; i++) await send(50)
  process.kill(second.pid, 'SIGSTOP')
  const stopUntil = performance.now() + STOPPED_MS
  const afterStop = await takenOver(owners, (pid) => pid === third)
  console.log(`after SIGSTOP the other one had all partitions within ${Math.round(afterStop)} ms`)
  expect(afterStop).toBeLessThan(TAKEOVER_MS + BUSY_MS)
  await until('it was stopped long enough', async () => {
    await send(50)
    return performance.now() > stopUntil
  })
  const epochs = await owners.read()
  process.kill(second.pid, 'SIGCONT')
  await until('it was fenced', () => /fenced:/.test(second.log()))
  await send(100)
  await expectCounts(product, store, sent)
  expect(await owners.read()).toEqual(epochs)
  await expectOneOwnerAfterTheOther(owners)
})
