import { expect, test, vi } from 'vitest'
import { connectNats } from '#infra/nats/connect.ts'
import { readMetric, total } from '#infra/testing/graphql.ts'
import type { TestProduct } from '#infra/testing/product.ts'
import { until } from '#infra/testing/until.ts'
import { partitionOf } from '#schema/hash.ts'
import { logStream } from '#schema/subjects.ts'
import { start } from './lib/start.ts'
import { pageViews, postEvents, track } from './lib/track.ts'

const PARTITIONS = 4
const HOT = 0
/** Far less than a frame of the stuck partition waits. */
const SOON_MS = 5_000
const CLIENTS = 20

const sessionIn = (partition: number): string => {
  for (let n = 0; ; n++) if (partitionOf('main', `session-${n}`, PARTITIONS) === partition) return `session-${n}`
}
const HOT_SESSION = sessionIn(HOT)
const OTHERS = [1, 2, 3].map(sessionIn)

const eventsOf = (prefix: string, count: number, sessions: string[], padding = 0) =>
  pageViews(prefix, count).map((event, i) => ({
    ...event,
    sessionId: sessions[i % sessions.length],
    context: { page: 'x'.repeat(padding) },
  }))

/** The stream of a partition takes no more, until it is let. */
const block = async ({ endpoints }: TestProduct) => {
  const nats = await connectNats(endpoints.nats, 'test')
  const name = logStream(HOT)
  const { config, state } = await nats.jsm.streams.info(name)
  await nats.jsm.streams.update(name, { ...config, max_msgs: state.messages, discard: 'new' })
  const unblock = () => nats.jsm.streams.update(name, { ...config })
  return { unblock, [Symbol.asyncDispose]: () => nats.close() }
}

const views = async (product: TestProduct): Promise<number> => {
  const [from, to] = [Date.now() - 3_600_000, Date.now() + 3_600_000].map((ms) => new Date(ms).toISOString())
  return total((await readMetric(product, { name: 'page_views', window: 'PT1M', by: [] }, { from, to })).values())
}

test('a partition that is stuck fills its own lane and no other: receipts and live metrics of the others keep coming', async () => {
  const product = await start({ flags: [`--partitions=${PARTITIONS}`, '--in-flight-bytes=8000000'] })
  const { writeKey } = product.keys
  await track(product, eventsOf('first', 10, [HOT_SESSION, ...OTHERS]))
  await using stuck = await block(product)

  let refused = 0
  let done = false
  const hot = async (name: string): Promise<void> => {
    for (let n = 0; !done; n++) {
      const events = eventsOf(`${name}-${n}`, 20, [HOT_SESSION], 10_000)
      const { error } = await postEvents(product, writeKey, JSON.stringify(events))
      if (error?.code === 'OVERLOADED') refused++
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  const flood = Promise.all(Array.from({ length: CLIENTS }, (_, i) => hot(`hot-${i}`)))
  // It is waited for at the end; a test that fails before leaves it behind.
  flood.catch(() => {})
  await until('the lane is full', () => refused > CLIENTS)

  let sent = 10
  for (let n = 0; n < 10; n++) {
    const since = performance.now()
    const { accepted } = await postEvents(product, writeKey, JSON.stringify(eventsOf(`other-${n}`, 30, OTHERS)))
    expect({ accepted, soon: performance.now() - since < SOON_MS }).toEqual({ accepted: 30, soon: true })
    sent += 30
    await vi.waitFor(async () => expect(await views(product)).toBe(sent), { timeout: 30_000 })
  }

  // Of a request that has events in both, those of the others are taken; it is answered when all is known.
  const mixed = await postEvents(product, writeKey, JSON.stringify(eventsOf('mixed', 40, [HOT_SESSION, ...OTHERS])))
  expect(mixed.accepted).toBe(30)
  expect(new Set(mixed.verdicts.map(({ index, code }) => `${index % 4} ${code}`))).toEqual(new Set(['0 OVERLOADED']))

  done = true
  await flood
  await stuck.unblock()
  await track(product, eventsOf('last', 40, [HOT_SESSION, ...OTHERS]))
  await vi.waitFor(async () => expect(await views(product)).toBeGreaterThanOrEqual(sent + 70), { timeout: 30_000 })
})
