import { expect, test, vi } from 'vitest'
import { ask } from '#infra/testing/graphql.ts'
import type { TestProduct } from '#infra/testing/product.ts'
import { until } from '#infra/testing/until.ts'
import { start } from './lib/start.ts'
import { pageViews, postEvents, track } from './lib/track.ts'

const HOUR = 3_600_000
const COUNTS = ['accepted', 'counted', 'late', 'duplicate', 'invalid', 'shed', 'rejected', 'stored'] as const

interface Ledger extends Record<(typeof COUNTS)[number], string> {
  balanced: boolean
  settledUntil: string | null
}

const LEDGER = `query ($from: DateTime!, $to: DateTime!) {
  ledger(from: $from, to: $to) { ${COUNTS.join(' ')} balanced settledUntil }
}`

const readLedger = async (product: TestProduct): Promise<Ledger> => {
  const [from, to] = [Date.now() - HOUR, Date.now() + HOUR].map((ms) => new Date(ms).toISOString())
  return (await ask<{ ledger: Ledger }>(product, LEDGER, { from, to })).ledger
}

type Books = Record<(typeof COUNTS)[number], number>

const expectBooks = (product: TestProduct, books: Books): Promise<void> =>
  vi.waitFor(
    async () => {
      const ledger = await readLedger(product)
      const counts = Object.fromEntries(COUNTS.map((name) => [name, Number(ledger[name])]))
      expect({ ...counts, balanced: ledger.balanced }).toEqual({ ...books, balanced: true })
    },
    { timeout: 30_000, interval: 100 },
  )

interface Status {
  stage: string
  windows: string[]
  reason: string | null
  occurrences: number
}

const readStatus = async (product: TestProduct, id: string): Promise<Status | null> => {
  const query = 'query ($id: ID!) { eventStatus(id: $id) { stage windows reason occurrences } }'
  return (await ask<{ eventStatus: Status | null }>(product, query, { id })).eventStatus
}

const expectStatus = (product: TestProduct, id: string, expected: Partial<Status>): Promise<void> =>
  vi.waitFor(async () => expect(await readStatus(product, id)).toMatchObject(expected), { timeout: 30_000 })

/** Events that no gateway takes. */
const refuse = async (product: TestProduct, count: number): Promise<void> => {
  const bad = Array.from({ length: count }, (_, i) => ({ id: `bad-${i}` }))
  const { rejected } = await postEvents(product, product.keys.writeKey, JSON.stringify(bad))
  expect(rejected).toBe(count)
}

/** Kills the gateway and waits until another one answers. */
const killGateway = async (product: TestProduct): Promise<void> => {
  const { gateway } = product.pids()
  process.kill(gateway, 'SIGKILL')
  await until('another gateway answers', async () => {
    const { gateway: now } = product.pids()
    return now !== undefined && now !== gateway && (await readLedger(product)) !== null
  })
}

test('the books balance over what is accepted, sent again, late and rejected, and a gateway’s death', async () => {
  await using product = await start()
  const events = pageViews('seen', 60)
  await track(product, events)
  await track(product, events.slice(0, 15))
  const hourAgo = new Date(Date.now() - HOUR).toISOString()
  const late = pageViews('late', 5).map((event) => ({ ...event, time: hourAgo }))
  await track(product, late)
  await refuse(product, 7)
  const books = { accepted: 80, counted: 60, late: 5, duplicate: 15, invalid: 0, shed: 0, rejected: 7, stored: 60 }
  await expectBooks(product, books)

  await killGateway(product)
  await expectBooks(product, books)
  await refuse(product, 4)
  await track(product, pageViews('after', 10))
  await expectBooks(product, { ...books, accepted: 90, counted: 70, stored: 70, rejected: 11 })
  const { settledUntil } = await readLedger(product)
  expect(Date.now() - Date.parse(settledUntil!)).toBeLessThan(HOUR)

  await expectStatus(product, 'seen-3', { stage: 'STORED', occurrences: 2, reason: null })
  await expectStatus(product, 'late-1', {
    stage: 'LATE',
    windows: [],
    reason: expect.stringContaining('lateness horizon'),
  })
  expect(await readStatus(product, 'bad-1')).toBeNull()
})

test('an event is found at every moment from its acknowledgement on', async () => {
  await using product = await start()
  const stages = new Set<string>()
  for (const event of pageViews('now', 40)) {
    const time = new Date().toISOString()
    await track(product, [{ ...event, time }])
    const status = await readStatus(product, event.id)
    expect(status).toMatchObject({ occurrences: 1, reason: null })
    stages.add(status!.stage)
    if (status!.stage !== 'ACCEPTED') {
      expect(status!.windows).toContain(`page_views PT1M ${time.slice(0, 16)}:00.000Z`)
    }
  }
  for (const stage of stages) expect(['ACCEPTED', 'COUNTED', 'STORED']).toContain(stage)
  await expectStatus(product, 'now-39', { stage: 'STORED' })
})
