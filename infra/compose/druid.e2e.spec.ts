import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectNats, type Nats } from '#infra/nats/connect.ts'
import { createOlapClient } from '#infra/nats/olap-client.ts'
import { freshDruid, noDruid, type TestDruid } from '#infra/testing/druid.ts'
import { startProduct, type TestProduct } from '#infra/testing/product.ts'
import { until } from '#infra/testing/until.ts'
import { MillraceError } from '#schema/errors.ts'
import type { OlapService } from '#schema/olap.ts'

const MINUTE = 60_000
const EVENTS = 200

const send = async ({ endpoints, keys }: TestProduct, from: number, count: number): Promise<void> => {
  const events = Array.from({ length: count }, (_, i) => ({
    id: `e${from + i}`,
    name: 'page_view',
    sessionId: `s${(from + i) % 7}`,
    properties: { path: '/' },
  }))
  const response = await fetch(endpoints.collector, {
    method: 'POST',
    headers: { authorization: `Bearer ${keys.writeKey}` },
    body: JSON.stringify(events),
  })
  expect(await response.json()).toMatchObject({ accepted: count })
}

/** A number, or why there is none. */
type Seen = number | string
const unavailable = (error: unknown): string => {
  if (error instanceof MillraceError && error.code === 'UNAVAILABLE') return error.message
  throw error
}

describe.skipIf(noDruid)('npm start with a Druid', () => {
  let druid: TestDruid
  let product: TestProduct
  let nats: Nats
  let olap: OlapService
  let dataDir: string
  const start = async (): Promise<void> => {
    product = await startProduct({ dataDir, flags: ['--partitions=2', `--druid-url=${druid.url}`, '--kafka-port=0'] })
    nats = await connectNats(product.endpoints.nats, 'test')
    olap = createOlapClient(nats)
  }
  const stop = async (): Promise<void> => {
    await nats?.close()
    await product?.[Symbol.asyncDispose]()
  }
  beforeAll(async () => {
    druid = await freshDruid()
    dataDir = await mkdtemp(join(tmpdir(), 'millrace-druid-product-'))
    await start()
    await druid.readAnew()
  })
  afterAll(async () => {
    await stop()
    await rm(dataDir, { recursive: true, force: true })
  })

  const views = async (): Promise<number> => {
    const now = Date.now()
    const series = { tenant: 'main', metric: 'page_views', version: 1, size: MINUTE }
    const { rows } = await olap.aggregates({ ...series, from: now - 60 * MINUTE, to: now + 60 * MINUTE })
    return rows.reduce((sum, { n = 0 }) => sum + n, 0)
  }
  const shown = async (): Promise<number> => {
    const page = await olap.events({ tenant: 'main', from: 0, to: Date.now() + MINUTE, where: [], first: 1_000 })
    return new Set(page.nodes.map(({ id }) => id)).size
  }
  const stored = async (): Promise<number> => {
    const { rows } = await olap.sql(`SELECT COUNT(*) FROM raw_events WHERE tenant = 'main' AND name = 'page_view'`)
    return Number(rows[0][0])
  }

  test('tells it what to read, and answers from it', async () => {
    await send(product, 0, EVENTS)
    await until('all events in Druid', async () => (await stored()) === EVENTS, 200_000)
    await until('all windows in Druid', async () => (await views()) === EVENTS, 200_000)
    expect(await shown()).toBe(EVENTS)
    // The books are DuckDB's.
    expect((await olap.totals('main')).stored).toBe(EVENTS)
    expect((await olap.positions()).every((checkpoint) => checkpoint > 0)).toBe(true)
  })

  test('nobody sees a number fall when the indexer dies and Druid goes back to its last hand-off', async () => {
    const seen = { windows: [] as Seen[], events: [] as Seen[] }
    const look = async (): Promise<Seen[]> => {
      const answers = await Promise.all([views, shown].map((ask) => ask().catch(unavailable)))
      seen.windows.push(answers[0])
      seen.events.push(answers[1])
      return answers
    }
    expect(await look()).toEqual([EVENTS, EVENTS])
    await druid.killIndexer()
    await until('errors', async () => (await look()).every((one) => typeof one === 'string'))
    await send(product, EVENTS, EVENTS)
    await druid.startIndexer()
    await until('everything', async () => (await look()).every((one) => one === 2 * EVENTS), 200_000)
    for (const all of Object.values(seen)) {
      const numbers = all.filter((one) => typeof one === 'number')
      expect(numbers).toEqual(numbers.toSorted((a, b) => a - b))
    }
  })

  test('goes on where it was after a restart, at another address of Kafka', async () => {
    const { kafka } = product.endpoints
    await stop()
    await start()
    expect(product.endpoints.kafka).not.toBe(kafka)
    await send(product, 2 * EVENTS, EVENTS)
    await until('all events in Druid', async () => (await stored()) >= 3 * EVENTS, 200_000)
    await until('all windows in Druid', async () => (await views()) >= 3 * EVENTS, 200_000)
    expect([await stored(), await views(), (await olap.totals('main')).stored]).toEqual([
      3 * EVENTS,
      3 * EVENTS,
      3 * EVENTS,
    ])
  })
})
