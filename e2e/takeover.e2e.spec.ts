import { expect, test, vi } from 'vitest'
import { readMetric, total } from '#infra/testing/graphql.ts'
import type { TestProduct } from '#infra/testing/product.ts'
import { openStore, type Store } from '#infra/testing/store.ts'
import { until } from '#infra/testing/until.ts'
import { type Owners, startProcessor, watchOwners } from './lib/by-hand.ts'
import { start } from './lib/start.ts'
import { pageViews, track } from './lib/track.ts'

const PARTITIONS = 8
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

/** Resolves when every partition has an owner for which `isNew` holds. */
const takenOver = (owners: Owners, isNew: (pid: number) => boolean) =>
  until('all partitions have a new owner', async () => {
    const pids = (await owners.read()).map(({ pid }) => pid)
    return pids.length === PARTITIONS && pids.every(isNew)
  })

/** Resolves when these and no others own all partitions in even shares; answers who owns what. */
const evenly = (owners: Owners, ...pids: number[]) =>
  until('the partitions are in even shares', async () => {
    const now = await owners.read()
    const sizes = pids.map((pid) => now.filter((owner) => owner.pid === pid).length)
    const isEven = Math.max(...sizes) - Math.min(...sizes) <= 1
    return sizes.reduce((sum, size) => sum + size, 0) === PARTITIONS && isEven && now
  })

type Owned = { pid: number; epoch: number }[]
/** Partitions that another owner has, or the same one anew. */
const moved = (before: Owned, after: Owned): number[] =>
  before.flatMap((one, partition) => (one.epoch === after[partition].epoch ? [] : [partition]))
const ownedBy = (owned: Owned, pid: number): number[] =>
  owned.flatMap((one, partition) => (one.pid === pid ? [partition] : []))

const createSender = (product: TestProduct) => {
  let sent = 0
  return {
    sent: () => sent,
    async send(count: number): Promise<void> {
      await track(product, pageViews(`e${sent}`, count))
      sent += count
    },
  }
}

test('three processors share the partitions; who dies, starts, joins or stops moves only what must move', async () => {
  await using product = await start({ flags: [`--partitions=${PARTITIONS}`, '--processors=3'] })
  await using store = await openStore(product)
  await using owners = await watchOwners(product, PARTITIONS)
  const { send, sent } = createSender(product)
  const [first, second, third] = ['processor', 'processor-2', 'processor-3'].map((name) => product.pids()[name])
  const shared = await evenly(owners, first, second, third)
  await send(100)

  process.kill(second, 'SIGKILL')
  await send(100)
  const again = await until('the supervisor has started another one', () => {
    const pid = product.pids()['processor-2']
    return pid !== second && pid
  })
  const restarted = await evenly(owners, first, again, third)
  expect(moved(shared, restarted)).toEqual(ownedBy(shared, second))
  await expectCounts(product, store, sent())

  await using fourth = await startProcessor(product)
  const joined = await evenly(owners, first, again, third, fourth.pid)
  expect(moved(restarted, joined)).toEqual(ownedBy(joined, fourth.pid))
  await send(100)

  process.kill(fourth.pid, 'SIGTERM')
  await send(100)
  const left = await evenly(owners, first, again, third)
  expect(moved(joined, left)).toEqual(ownedBy(joined, fourth.pid))
  await expectCounts(product, store, sent())
  await expectOneOwnerAfterTheOther(owners)
})

test('what died is taken over, and what was stopped is fenced when it goes on', async () => {
  await using product = await start({ flags: [`--partitions=${PARTITIONS}`] })
  await using store = await openStore(product)
  await using owners = await watchOwners(product, PARTITIONS)
  const { send, sent } = createSender(product)
  const first = product.pids().processor
  await takenOver(owners, (pid) => pid === first)
  await using second = await startProcessor(product)
  await evenly(owners, first, second.pid)
  await send(100)
  await expectCounts(product, store, sent())

  process.kill(first, 'SIGKILL')
  await send(100)
  await takenOver(owners, (pid) => pid !== first)
  await expectCounts(product, store, sent())

  const third = await until('the supervisor has started another one', () => {
    const pid = product.pids().processor
    return pid !== first && pid
  })
  await evenly(owners, second.pid, third)
  // In the middle of traffic: what it has read and not committed is what it will try to write when it goes on.
  for (let i = 0; i < 20; i++) await send(50)
  process.kill(second.pid, 'SIGSTOP')
  const stopUntil = performance.now() + STOPPED_MS
  await takenOver(owners, (pid) => pid === third)
  await until('it was stopped long enough', async () => {
    await send(50)
    return performance.now() > stopUntil
  })
  process.kill(second.pid, 'SIGCONT')
  await until('it was fenced', () => /fenced:/.test(second.log()))
  await send(100)
  await evenly(owners, second.pid, third)
  await expectCounts(product, store, sent())
  await expectOneOwnerAfterTheOther(owners)
})
