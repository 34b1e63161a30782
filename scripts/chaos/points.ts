import { type MetricChoice, type Point, pointKey, readMetric } from '#infra/testing/graphql.ts'
import type { TestProduct } from '#infra/testing/product.ts'
import type { Store } from '#infra/testing/store.ts'
import { until } from '#infra/testing/until.ts'
import type { Found } from './compare.ts'
import type { MeasureInput } from './definitions.ts'
import { wholeRange } from './evidence.ts'

/** Sums of decimals depend on the order of adding in their last digits; a point says 15. */
const DIGITS = 15
const stable = (value: number | null): number | null =>
  value === null || Number.isInteger(value) ? value : Number(value.toPrecision(DIGITS))

type Dims = (string | null)[]

/** Points of a metric as SQL has them, in all dimensions. */
export const readPoints = async (store: Store, view: 'minly_points' | 'hourly_points', metric: string) => {
  const rows = await store.sql(
    `SELECT window_start, dims, epoch_ms(window_end)::DOUBLE, value, events::DOUBLE FROM ${view}
     WHERE metric = '${metric}'`,
  )
  return new Map(
    (rows as [string, Dims, number, number | null, number][]).map(
      ([windowStart, dimensions, endMs, value, events]): [string, Found] => [
        pointKey({ windowStart, dimensions }),
        { endMs, events, value: stable(value) },
      ],
    ),
  )
}

/** Value of a measure from sums of its state, as far as it is one of those that changing metrics have. */
const measuredValue = (measure: MeasureInput, n: number, sum: number): number | null => {
  if ('count' in measure) return n
  if (n === 0) return null
  return stable('sum' in measure ? sum : sum / n)
}

/** Minutes of one version of a metric, which nobody is told of any more once there is a newer one. */
export const readVersion = async (store: Store, metric: string, version: number, measure: MeasureInput) => {
  const rows = await store.sql(
    `SELECT window_start, dims, max(epoch_ms(window_end))::DOUBLE, sum(events)::DOUBLE, fsum(n), fsum("sum")
     FROM minly_aggs WHERE metric = '${metric}' AND version = ${version} GROUP BY ALL`,
  )
  return new Map(
    (rows as [string, Dims, number, number, number, number][]).map(
      ([windowStart, dimensions, endMs, events, n, sum]): [string, Found] => [
        pointKey({ windowStart, dimensions }),
        { endMs, events, value: measuredValue(measure, n, sum) },
      ],
    ),
  )
}

/** Query.metric of every window that there may be. A gateway that is still being started is asked again. */
export const askWindows = (view: TestProduct, choice: MetricChoice): Promise<Map<string, Point>> =>
  until(`an answer to ${choice.name}`, () => readMetric(view, choice, wholeRange()))
