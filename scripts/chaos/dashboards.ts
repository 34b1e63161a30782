import type { MetricChoice, WindowInput } from '#infra/testing/graphql.ts'
import type { TestProduct } from '#infra/testing/product.ts'
import { type Subscriber, subscribe } from '#infra/testing/subscriber.ts'
import { CHANGING, VISIT } from './changes.ts'
import { HOUR, MINUTE, SLIDING } from './definitions.ts'

export interface Choice extends MetricChoice {
  window: WindowInput
}

/** What dashboards look at. */
export const CHOICES: readonly Choice[] = [
  { name: 'page_views', window: MINUTE, by: [] },
  { name: 'page_views', window: MINUTE, by: ['properties.path'] },
  { name: 'page_views', window: HOUR },
  { name: 'active_users', window: MINUTE, by: [] },
  { name: 'conversions', window: MINUTE, by: [] },
  { name: 'revenue', window: MINUTE, by: [] },
  { name: 'bytes_served', window: HOUR, by: ['properties.status'] },
  { name: CHANGING, window: MINUTE, by: [] },
  { name: CHANGING, window: VISIT, by: [] },
  { name: 'page_views', window: { sliding: { size: 'PT1H', slide: 'PT1M' } }, by: [] },
  { name: 'chaos_sliding', window: SLIDING },
  { name: 'chaos_spread', window: MINUTE },
  { name: 'chaos_spread', window: SLIDING, by: [] },
  { name: 'chaos_top', window: HOUR, by: [] },
  { name: 'chaos_items', window: HOUR },
  { name: 'chaos_big', window: MINUTE, by: [] },
  { name: 'chaos_visits', window: { session: 'PT2S' } },
  { name: 'chaos_visits', window: { session: 'PT30S' }, by: [] },
  { name: 'chaos_trail', window: { session: 'PT5M' } },
  { name: 'chaos_trail', window: { session: 'PT5M' }, by: [] },
  { name: 'chaos_ended', window: MINUTE, by: [] },
  { name: 'chaos_length', window: MINUTE },
]

const lengthOf = (window: WindowInput): string =>
  Object.values(window)
    .map((one) => JSON.stringify(one))
    .join()

export const nameOf = ({ name, window, by }: Choice): string =>
  `${name} ${Object.keys(window)} ${lengthOf(window)} by ${by?.join(', ') ?? 'all'}`

export interface SubscriptionCounts {
  connections: number
  snapshots: number
  resets: number
  updates: number
  /** Points that were pushed again just as they had been. */
  repeated: number
  /** Points that went back to an earlier revision. */
  backwards: number
  /** Points that were taken back: sessions that merged or moved. */
  retracted: number
}

export interface Dashboards extends AsyncDisposable {
  all: { choice: Choice; subscriber: Subscriber }[]
  /** All lose their connections at once. */
  leave(): void
  counts(): SubscriptionCounts
}

/** One subscription a choice, each of which goes from gateway to gateway. */
export const openDashboards = async (views: readonly TestProduct[]): Promise<Dashboards> => {
  await using stack = new AsyncDisposableStack()
  const addresses = views.map(({ endpoints }) => endpoints.ws)
  const open = async (choice: Choice, i: number) => {
    const turned = [...addresses.slice(i % addresses.length), ...addresses.slice(0, i % addresses.length)]
    return { choice, subscriber: stack.use(await subscribe(views[0], choice, turned)) }
  }
  const all = await Promise.all(CHOICES.map(open))
  const owned = stack.move()
  return {
    all,
    leave: () => {
      for (const { subscriber } of all) subscriber.disconnect()
    },
    counts: () => {
      const sum = { connections: 0, snapshots: 0, resets: 0, updates: 0, repeated: 0, backwards: 0, retracted: 0 }
      for (const { subscriber } of all) {
        sum.connections += subscriber.connections()
        sum.snapshots += subscriber.kinds.SNAPSHOT
        sum.resets += subscriber.kinds.RESET
        sum.updates += subscriber.kinds.DELTA
        sum.repeated += subscriber.repeated.length
        sum.backwards += subscriber.backwards.length
        for (const { status } of subscriber.points.values()) if (status === 'RETRACTED') sum.retracted++
      }
      return sum
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
