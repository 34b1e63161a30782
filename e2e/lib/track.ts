import type { TestProduct } from '#infra/testing/product.ts'
import { until } from '#infra/testing/until.ts'

export interface Receipt {
  accepted: number
  rejected: number
  verdicts: { index: number; id: string; code: string | null; path: string | null }[]
  error?: { code: string; message: string }
}

export interface CollectorAnswer extends Receipt {
  status: number
}

/** A POST to the collector whose body is given as it is. Without a key there is no authorization header. */
export const postEvents = async (
  { endpoints }: TestProduct,
  key: string | null,
  body: BodyInit,
  headers: Record<string, string> = {},
): Promise<CollectorAnswer> => {
  const authorization: Record<string, string> = key === null ? {} : { authorization: `Bearer ${key}` }
  const init = { method: 'POST', headers: { ...authorization, ...headers }, body }
  const response = await fetch(endpoints.collector, init)
  return { status: response.status, ...((await response.json()) as Receipt) }
}

/** Sends events until all are accepted, as a client does that keeps their ids. */
export const track = (product: TestProduct, events: object[]): Promise<true> =>
  until('the events are accepted', async () => {
    const { accepted, error } = await postEvents(product, product.keys.writeKey, JSON.stringify(events))
    if (error) throw new Error(error.message)
    return accepted === events.length
  })

/** Page views with ids of their own, in sessions that lie in all partitions. */
export const pageViews = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, i) => ({
    id: `${prefix}-${i}`,
    name: 'page_view',
    sessionId: `s${i % 50}`,
    properties: { path: '/', method: 'GET', status: 200, bytes: 1 },
  }))
