import type { TestProduct } from './product.ts'

export interface GraphqlAnswer<T = unknown> {
  status: number
  data?: T | null
  errors?: { message: string; extensions: { code: string } }[]
}

/** A POST to /graphql whose body is given as it is. Without a key there is no authorization header. */
export const postGraphql = async <T>(
  url: string,
  key: string | null,
  body: BodyInit,
  extra: Record<string, string> = {},
  signal?: AbortSignal,
): Promise<GraphqlAnswer<T>> => {
  const authorization: Record<string, string> = key === null ? {} : { authorization: `Bearer ${key}` }
  const headers = { 'content-type': 'application/json', ...authorization, ...extra }
  const response = await fetch(url, { method: 'POST', headers, body, signal })
  return { status: response.status, ...((await response.json()) as object) }
}

/** Data of an operation with the read token. Throws what the server has to say against it. */
export const ask = async <T>(
  { endpoints, keys }: TestProduct,
  query: string,
  variables: Record<string, unknown> = {},
): Promise<T> => {
  const answer = await postGraphql<T>(endpoints.graphql, keys.readToken, JSON.stringify({ query, variables }))
  if (answer.errors || !answer.data) throw new Error(JSON.stringify(answer.errors ?? answer))
  return answer.data
}

/** A point as clients get it. */
export interface Point {
  windowStart: string
  windowEnd: string
  dimensions: (string | null)[]
  value: number | null
  detail: unknown
  events: string
  status: string
  revision: number
}

export const POINT_FIELDS = 'windowStart windowEnd dimensions value detail events status revision'

/** Name of a point: its window and its place among the dimensions. */
export const pointKey = ({ windowStart, dimensions }: Pick<Point, 'windowStart' | 'dimensions'>): string =>
  JSON.stringify([windowStart, ...dimensions])

/** A window as GraphQL takes it. */
export type WindowInput = { tumbling: string } | { sliding: { size: string; slide: string } } | { session: string }

/** Which windows of a metric. */
export interface MetricChoice {
  name: string
  /** A length alone: tumbling ones. */
  window: string | WindowInput
  /** Absent: all dimensions. */
  by?: string[]
}

/** A choice as variables of an operation. */
export const choiceVariables = ({ window, ...rest }: MetricChoice) => ({
  ...rest,
  window: typeof window === 'string' ? { tumbling: window } : window,
})

interface Range {
  from: string
  to: string
}

const METRIC = `query ($name: String!, $window: WindowInput!, $by: [String!], $from: DateTime!, $to: DateTime!) {
  metric(name: $name, window: $window, by: $by, from: $from, to: $to, limit: 100000) {
    points { ${POINT_FIELDS} }
    truncated
  }
}`

/** Query.metric, by the key of each point. */
export const readMetric = async (
  product: TestProduct,
  choice: MetricChoice,
  range: Range,
): Promise<Map<string, Point>> => {
  const { metric } = await ask<{ metric: { points: Point[]; truncated: boolean } }>(product, METRIC, {
    ...choiceVariables(choice),
    ...range,
  })
  if (metric.truncated) throw new Error(`more points of ${choice.name} than were asked for`)
  return new Map(metric.points.map((point) => [pointKey(point), point]))
}

/** Sum of the values. */
export const total = (points: Iterable<Point>): number => {
  let sum = 0
  for (const { value } of points) sum += value ?? 0
  return sum
}
