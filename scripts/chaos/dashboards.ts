import type { MetricChoice } from '#infra/testing/graphql.ts'
import type { TestProduct } from '#infra/testing/product.ts'
import { type Subscriber, subscribe } from '#infra/testing/subscriber.ts'

export const SIZES_MS = { PT1M: 60_000, PT1H: 3_600_000 } as const

export interface Choice extends MetricChoice {
  window: keyof typeof SIZES_MS
}

/** What dashboards look at. */
export const CHOICES: readonly Choice[] = [
  { name: 'page_views', window: 'PT1M', by: [] },
  { name: 'page_views', window: 'PT1M', by: ['properties.path'] },
  { name: 'page_views', window: 'PT1H' },
  { name: 'active_users', window: 'PT1M', by: [] },
  { name: 'conversions', window: 'PT1M', by: [] },
  { name: 'revenue', window: 'PT1M', by: [] },
  { name: 'bytes_served', window: 'PT1H', by: ['properties.status'] },
]

export const nameOf = ({ name, window, by }: Choice): string => `${name} ${window} by ${by?.join(', ') ?? 'all'}`

export interface SubscriptionCounts {
  connections: number
  snapshots: number
  resets: number
  updates: number
  /** Points that were pushed again just as they had been. */
  repeated: number
  /** Points that went back to an earlier revision. */
  backwards: number
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
      const sum = { connections: 0, snapshots: 0, resets: 0, updates: 0, repeated: 0, backwards: 0 }
      for (const { subscriber } of all) {
        sum.connections += subscriber.connections()
        sum.snapshots += subscriber.kinds.SNAPSHOT
        sum.resets += subscriber.kinds.RESET
        sum.updates += subscriber.kinds.DELTA
        sum.repeated += subscriber.repeated.length
        sum.backwards += subscriber.backwards.length
      }
      return sum
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
