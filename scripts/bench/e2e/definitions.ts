import { postGraphql } from '#infra/testing/graphql.ts'
import type { TestProduct } from '#infra/testing/product.ts'
import type { MeasureSpec, MetricDefinition } from '#schema/metric.ts'
import { SHOP_METRICS } from '../processor/metrics.ts'
import { MARKER_EVENT, MARKER_METRIC } from './markers.ts'

const DEFINE = 'mutation ($input: MetricInput!) { defineMetric(input: $input) { name } }'

const measureOf = ({ kind, field }: MeasureSpec): object =>
  kind === 'COUNT' ? { count: true } : { [kind.toLowerCase()]: field }

const inputOf = ({ name, event, where, measure, dimensions, windows }: MetricDefinition): object => ({
  name,
  event,
  where,
  measure: measureOf(measure),
  dimensions,
  windows: windows.map((window) => ({ tumbling: `PT${'sizeMs' in window ? window.sizeMs / 1_000 : 0}S` })),
})

const MARKERS = {
  name: MARKER_METRIC,
  event: MARKER_EVENT,
  measure: { max: 'properties.number' },
  dimensions: ['properties.lane'],
  windows: [{ tumbling: 'PT1M' }],
}

/** Defines the ten metrics of the shop, over those that every tenant starts with, and the one of the markers. */
export const defineMetrics = async ({ endpoints, keys }: TestProduct): Promise<void> => {
  for (const input of [...SHOP_METRICS.map(inputOf), MARKERS]) {
    const body = JSON.stringify({ query: DEFINE, variables: { input } })
    const { errors } = await postGraphql(endpoints.graphql, keys.adminToken, body)
    if (errors) throw new Error(`a metric was refused: ${JSON.stringify(errors)}`)
  }
}
