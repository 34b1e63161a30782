import { expect, vi } from 'vitest'
import { type MetricChoice, type Point, pointKey, readMetric, total } from '#infra/testing/graphql.ts'
import type { TestProduct } from '#infra/testing/product.ts'
import type { Store } from '#infra/testing/store.ts'
import { type Subscriber, subscribe } from '#infra/testing/subscriber.ts'

/** What samples/README.md says, counted independently. */
export const SAMPLE_EVENTS = 10_000
const SAMPLE_BYTES = 2_747_282_740
const SAMPLE_GETS = 9_952
const SAMPLE_ADDRESSES = 1_753
const SAMPLE_TIME = { from: '2015-05-17T00:00:00Z', to: '2015-05-21T00:00:00Z' }
const SETTLES_MS = 60_000

const METRICS = {
  views: { name: 'page_views', window: 'PT1H', by: ['properties.method'] },
  bytes: { name: 'bytes_served', window: 'PT1H', by: [] },
  users: { name: 'active_users', window: 'PT1H', by: [] },
} satisfies Record<string, MetricChoice>
type Name = keyof typeof METRICS
const NAMES = Object.keys(METRICS) as Name[]

/** The same points, counted from the raw events: [window start, ...dimensions, value]. */
const FROM_RAW_EVENTS: Record<Name, string> = {
  views: "SELECT date_trunc('hour', time) AS hour, properties->>'$.method', count(*)",
  bytes: "SELECT date_trunc('hour', time) AS hour, sum((properties->>'$.bytes')::DOUBLE)",
  users: "SELECT date_trunc('hour', time) AS hour, count(DISTINCT anonymous_id)",
}
/** Of what the processor computed. An address lies in one country, so visitors by country add up to visitors. */
const FROM_AGGREGATES: Record<Name, string> = {
  views: "SELECT window_start, dims[3], sum(value) FROM hourly_points WHERE metric = 'page_views'",
  bytes: "SELECT window_start, sum(value) FROM hourly_points WHERE metric = 'bytes_served'",
  users: "SELECT window_start, sum(value) FROM hourly_points WHERE metric = 'active_users'",
}

type Values = Record<string, number | null>

const fromRows = (rows: unknown[][]): Values =>
  Object.fromEntries(
    rows.map((row) => {
      const [windowStart, ...dimensions] = row.slice(0, -1) as [string, ...string[]]
      return [pointKey({ windowStart, dimensions }), row.at(-1) as number]
    }),
  )

const isOfSample = ({ windowStart }: Point): boolean => windowStart < SAMPLE_TIME.to

/** Points of the sample's days, by key. */
export const valuesOf = (points: Iterable<Point>): Values =>
  Object.fromEntries([...points].filter(isOfSample).map((point) => [pointKey(point), point.value]))

/** Subscriptions to the sample's metrics, one each. */
export type SampleWatch = Record<Name, Subscriber> & AsyncDisposable

export const watchSample = async (product: TestProduct): Promise<SampleWatch> => {
  const stack = new AsyncDisposableStack()
  const open = async (name: Name) => stack.use(await subscribe(product, METRICS[name]))
  const [views, bytes, users] = await Promise.all(NAMES.map(open))
  return { views, bytes, users, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

const fromStore = async (store: Store, name: Name, source: string): Promise<Values[]> => {
  const raw = `${FROM_RAW_EVENTS[name]} FROM raw_events WHERE source = '${source}' GROUP BY ALL`
  const aggregated = `${FROM_AGGREGATES[name]} AND window_start < '${SAMPLE_TIME.to.slice(0, 10)}' GROUP BY ALL`
  return [fromRows(await store.sql(raw)), fromRows(await store.sql(aggregated))]
}

const expectTotals = (views: Iterable<Point>, bytes: Iterable<Point>): void => {
  const ofSample = [...views].filter(isOfSample)
  expect(total(ofSample)).toBe(SAMPLE_EVENTS)
  expect(total(ofSample.filter(({ dimensions }) => dimensions[0] === 'GET'))).toBe(SAMPLE_GETS)
  expect(total([...bytes].filter(isOfSample))).toBe(SAMPLE_BYTES)
}

/** Waits for everything that was accepted to have arrived everywhere. */
const settled = async (watch: SampleWatch, store: Store, source: string): Promise<void> => {
  await watch.views.sees(
    'all page views',
    (points) => total([...points.values()].filter(isOfSample)) >= SAMPLE_EVENTS,
    SETTLES_MS,
  )
  await vi.waitFor(
    async () =>
      expect(await store.sql(`SELECT count(*) >= ${SAMPLE_EVENTS} FROM raw_events WHERE source = '${source}'`)).toEqual(
        [[true]],
      ),
    { timeout: SETTLES_MS },
  )
}

/**
 * The whole sample is there, once, and everybody says the same: the last values pushed, Query.metric, the stored
 * aggregates, and the raw events.
 */
export const expectSample = async (
  product: TestProduct,
  watch: SampleWatch,
  store: Store,
  source: string,
): Promise<void> => {
  await settled(watch, store, source)
  const queried = await Promise.all(NAMES.map((name) => readMetric(product, METRICS[name], SAMPLE_TIME)))
  expectTotals(queried[0].values(), queried[1].values())
  for (const [i, name] of NAMES.entries()) {
    const asked = valuesOf(queried[i].values())
    for (const stored of await fromStore(store, name, source)) expect(stored).toEqual(asked)
    await vi.waitFor(() => expect(valuesOf(watch[name].points.values())).toEqual(asked), { timeout: SETTLES_MS })
  }
  const [[events, identities, addresses, late]] = await store.sql(
    `SELECT count(*), count(DISTINCT (session_id, id)), count(DISTINCT anonymous_id),
       (SELECT count(*) FROM dead_letters WHERE source = '${source}')
     FROM raw_events WHERE source = '${source}'`,
  )
  expect({ events, identities, addresses, late }).toEqual({
    events: SAMPLE_EVENTS,
    identities: SAMPLE_EVENTS,
    addresses: SAMPLE_ADDRESSES,
    late: 0,
  })
}
