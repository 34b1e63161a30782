import type { TestProduct } from '#infra/testing/product.ts'
import { subscribeRaw } from './socket.ts'

const SUBSCRIPTION = `subscription ($name: String!, $by: [String!]) {
  metric(name: $name, window: { tumbling: "PT1M" }, by: $by, last: 60) {
    kind cursor watermark asOf
    points { windowStart windowEnd dimensions value events status revision }
  }
}`

/** What people look at meanwhile. */
const SHOWN: readonly { name: string; by?: string[] }[] = [
  { name: 'page_views', by: ['properties.path'] },
  { name: 'active_users' },
  { name: 'events', by: ['name'] },
  { name: 'revenue' },
]

/** Open dashboards, each on a connection of its own. */
export const openDashboards = async ({ endpoints, keys }: TestProduct) => {
  let updates = 0
  let bytes = 0
  const onNext = (text: string): void => {
    updates++
    bytes += text.length
  }
  const open = (variables: object) =>
    subscribeRaw({ url: endpoints.ws, readToken: keys.readToken, query: SUBSCRIPTION, variables, onNext })
  const sockets = await Promise.all(SHOWN.map(open))
  return {
    figures: () => ({ dashboards: sockets.length, updates, bytes }),
    close: (): void => {
      for (const socket of sockets) socket.close()
    },
  }
}
