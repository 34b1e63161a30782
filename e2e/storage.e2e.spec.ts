import { expect, test, vi } from 'vitest'
import { readMetric, total } from '#infra/testing/graphql.ts'
import { openStore } from '#infra/testing/store.ts'
import { startStorage } from './lib/by-hand.ts'
import { start } from './lib/start.ts'
import { pageViews, track } from './lib/track.ts'

test('a second storage process waits; when the first one dies it goes on, and neither events nor live metrics wait', async () => {
  await using product = await start()
  const { storage, ready } = startStorage(product)
  await using _second = storage
  await track(product, pageViews('before', 50))
  // The supervisor is held: nobody but the second one can take over.
  process.kill(product.pid, 'SIGSTOP')
  try {
    process.kill(product.pids().storage, 'SIGKILL')
    await track(product, pageViews('meanwhile', 50))
    const [from, to] = [Date.now() - 3_600_000, Date.now() + 3_600_000].map((ms) => new Date(ms).toISOString())
    const views = { name: 'page_views', window: 'PT1M', by: [] }
    await vi.waitFor(async () => expect(total((await readMetric(product, views, { from, to })).values())).toBe(100), {
      timeout: 30_000,
    })
    await ready
    await using store = await openStore(product)
    await vi.waitFor(
      async () => {
        const [[stored, distinct]] = await store.sql('SELECT count(*), count(DISTINCT id) FROM raw_events')
        expect({ stored, distinct }).toEqual({ stored: 100, distinct: 100 })
      },
      { timeout: 30_000 },
    )
  } finally {
    process.kill(product.pid, 'SIGCONT')
  }
})
