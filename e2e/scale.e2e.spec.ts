import { expect, test } from 'vitest'
import { isRunning } from '#infra/nats/process.ts'
import { total } from '#infra/testing/graphql.ts'
import type { TestProduct } from '#infra/testing/product.ts'
import { type Subscriber, subscribe } from '#infra/testing/subscriber.ts'
import { until } from '#infra/testing/until.ts'
import { postFresh, trackFresh } from './lib/fresh.ts'
import { scrapeProcess } from './lib/scrape.ts'
import { start } from './lib/start.ts'
import { pageViews } from './lib/track.ts'

const GATEWAYS = ['gateway', 'gateway-2']
/** Connections; that the system hands all of them to one of two gateways has a chance of 1 in 2^31. */
const MANY = 32
const VIEWS = { name: 'page_views', window: 'PT1M', by: [] }

/** Events that each gateway has acknowledged. */
const accepted = (product: TestProduct): Promise<number[]> =>
  Promise.all(GATEWAYS.map(async (name) => (await scrapeProcess(product, name)).millrace_events_accepted_total))

const sum = (values: number[]): number => values.reduce((total, value) => total + value, 0)

const sees = (dashboards: Subscriber[], events: number): Promise<unknown> =>
  Promise.all(dashboards.map((one) => one.sees(`${events} events`, (points) => total(points.values()) === events)))

test('gateways share one address, each tells of itself, and one that dies takes only its own connections with it', async () => {
  const product = await start({ flags: ['--gateways=2', '--processors=2', '--partitions=2'] })
  expect(Object.keys(product.pids()).sort()).toEqual([
    ...GATEWAYS,
    'nats-server',
    'processor',
    'processor-2',
    'storage',
  ])
  expect(Object.keys(product.endpoints.admin).sort()).toEqual([...GATEWAYS, 'processor', 'processor-2', 'storage'])
  for (const address of Object.values(product.endpoints.admin)) {
    await until(`${address} is ready`, async () => (await fetch(new URL('/readyz', address))).ok)
  }

  const events = pageViews('http', MANY)
  expect(new Set(await Promise.all(events.map((event) => postFresh(product, [event]))))).toEqual(new Set([200]))
  const overHttp = await accepted(product)
  expect(Math.min(...overHttp)).toBeGreaterThan(0)
  expect(sum(overHttp)).toBe(MANY)
  const receipts = await Promise.all(pageViews('grpc', MANY).map((event) => trackFresh(product, [event])))
  expect(sum(receipts)).toBe(MANY)
  const overGrpc = (await accepted(product)).map((now, i) => now - overHttp[i])
  expect(Math.min(...overGrpc)).toBeGreaterThan(0)

  const dashboards = await Promise.all(Array.from({ length: MANY }, () => subscribe(product, VIEWS)))
  await using stack = new AsyncDisposableStack()
  for (const dashboard of dashboards) stack.use(dashboard)
  await sees(dashboards, 2 * MANY)

  // The supervisor is held: the gateway stays dead for as long as this looks.
  process.kill(product.pid, 'SIGSTOP')
  try {
    const dead = product.pids()['gateway-2']
    process.kill(dead, 'SIGKILL')
    await until('it is gone', () => !isRunning(dead))
    const later = pageViews('later', MANY)
    expect(new Set(await Promise.all(later.map((event) => postFresh(product, [event]))))).toEqual(new Set([200]))
    await sees(dashboards, 3 * MANY)
    const moved = dashboards.filter((one) => one.connections() > 1)
    expect(moved.length).toBeGreaterThan(0)
    expect(moved.length).toBeLessThan(MANY)
    expect(dashboards.flatMap(({ repeated, backwards }) => [...repeated, ...backwards])).toEqual([])
    // Gone on behind their cursors: nobody began again.
    expect(dashboards.map(({ kinds }) => [kinds.SNAPSHOT, kinds.RESET])).toEqual(dashboards.map(() => [1, 0]))
  } finally {
    process.kill(product.pid, 'SIGCONT')
  }
  await product.shows('gateway-2 is back')
  await until('both take part again', async () => {
    await postFresh(product, pageViews('again', 1))
    return (await accepted(product))[1] > 0
  })
})
