import { type Answer, noAnswer, type Receipt, readAnswer } from '#scripts/lib/collector-answer.ts'

/** One gateway, as clients reach it. */
export interface Gateway {
  graphql: string
  ws: string
  collector: string
}

/** How a batch is sent. */
export const WAYS = ['ndjson', 'array', 'trackBatch', 'trackEvents'] as const
export type Way = (typeof WAYS)[number]

const RECEIPT = 'accepted shed rejected verdicts { index status code message retryable retryAfterMs }'
const MUTATIONS = {
  trackBatch: `mutation ($events: JSON!, $source: String!) { receipt: trackBatch(events: $events, source: $source) { ${RECEIPT} } }`,
  trackEvents: `mutation ($events: [EventInput!]!, $source: String!) { receipt: trackEvents(events: $events, source: $source) { ${RECEIPT} } }`,
}

interface GraphqlBody {
  data?: { receipt: Receipt } | null
  errors?: { message: string; extensions?: { code?: string; retryable?: boolean; retryAfterMs?: number } }[]
}

/** A GraphQL answer as the collector would have put it. */
const readGraphql = (status: number, text: string): Answer => {
  if (status >= 500 || status === 429) return readAnswer(status, null, text)
  const { data, errors } = JSON.parse(text) as GraphqlBody
  if (data?.receipt) return readAnswer(status, null, JSON.stringify(data.receipt))
  const { message = text, extensions } = errors?.[0] ?? {}
  const reason = `${extensions?.code} ${message}`
  if (extensions?.retryable) return { kind: 'again', reason, retryAfterMs: extensions.retryAfterMs ?? 0 }
  return { kind: 'refused', reason }
}

/** Sends events of one source, JSON each. Whatever goes wrong on the way is an answer too. */
export const post = async (
  gateway: Gateway,
  way: Way,
  writeKey: string,
  { source, events }: { source: string; events: readonly string[] },
  signal: AbortSignal,
): Promise<Answer> => {
  const isGraphql = way === 'trackBatch' || way === 'trackEvents'
  const list = `[${events.join(',')}]`
  const body = isGraphql
    ? `{"query":${JSON.stringify(MUTATIONS[way])},"variables":{"events":${list},"source":"${source}"}}`
    : way === 'array'
      ? list
      : events.join('\n')
  const url = new URL(isGraphql ? gateway.graphql : gateway.collector)
  if (!isGraphql) url.searchParams.set('source', source)
  const headers = {
    authorization: `Bearer ${writeKey}`,
    'content-type': way === 'ndjson' ? 'application/x-ndjson' : 'application/json',
  }
  try {
    const response = await fetch(url, { method: 'POST', headers, body, signal })
    const text = await response.text()
    if (isGraphql) return readGraphql(response.status, text)
    return readAnswer(response.status, response.headers.get('retry-after'), text)
  } catch (error) {
    return { kind: 'again', reason: noAnswer(url, error), retryAfterMs: 0 }
  }
}
