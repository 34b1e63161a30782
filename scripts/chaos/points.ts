import { type MetricChoice, type Point, pointKey, readMetric } from '#infra/testing/graphql.ts'
import type { TestProduct } from '#infra/testing/product.ts'
import type { Store } from '#infra/testing/store.ts'
import { until } from '#infra/testing/until.ts'
import type { Found } from './compare.ts'
import { lengthMs, type MeasureInput } from './definitions.ts'
import { wholeRange } from './evidence.ts'

/** Sums of decimals depend on the order of adding in their last digits; a point says 15. */
const DIGITS = 15
const stable = (value: number | null): number | null =>
  value === null || Number.isInteger(value) ? value : Number(value.toPrecision(DIGITS))

const SESSION_PARTS = 8

type Dims = (string | null)[]

/** Points of a metric as SQL has them, in all dimensions. */
export const readPoints = async (store: Store, view: 'minly_points' | 'hourly_points', metric: string) => {
  const rows = await store.sql(
    `SELECT window_start, dims, epoch_ms(window_end)::DOUBLE, value, events::DOUBLE, detail FROM ${view}
     WHERE metric = '${metric}'`,
  )
  return new Map(
    (rows as [string, Dims, number, number | null, number, string | null][]).map(
      ([windowStart, dimensions, endMs, value, events, detail]): [string, Found] => [
        pointKey({ windowStart, dimensions }),
        { endMs, events, value: stable(value), detail: JSON.parse(detail ?? 'null') },
      ],
    ),
  )
}

/** Sessions of a metric by one gap as SQL has them. An answer of the store has a limit: they are read in parts. */
export const readSessions = async (store: Store, metric: string, gap: string) => {
  const all = new Map<string, Found>()
  for (let part = 0; part < SESSION_PARTS; part++) {
    const rows = await store.sql(
      `SELECT window_start, session_id, dims, epoch_ms(window_end)::DOUBLE, value, events::DOUBLE FROM session_points
       WHERE metric = '${metric}' AND gap_seconds = ${lengthMs(gap) / 1_000}
       AND hash(session_id) % ${SESSION_PARTS} = ${part}`,
    )
    for (const [windowStart, id, dims, endMs, value, events] of rows as [
      string,
      string,
      Dims,
      number,
      number,
      number,
    ][]) {
      all.set(pointKey({ windowStart, dimensions: [id, ...dims] }), { endMs, events, value: stable(value) })
    }
  }
  return all
}

/** The view of sessions themselves, which has the time of the last event and not the end. */
export const readSessionsView = async (store: Store, gap: string) => {
  const rows = await store.sql(
    `SELECT started_at, session_id, epoch_ms(ended_at)::DOUBLE, events::DOUBLE FROM sessions`,
  )
  return new Map(
    (rows as [string, string, number, number][]).map(([windowStart, id, lastMs, events]): [string, Found] => [
      pointKey({ windowStart, dimensions: [id] }),
      { endMs: lastMs + lengthMs(gap), events, value: events },
    ]),
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
    `SELECT window_start, dims, max(epoch_ms(window_end))::DOUBLE, sum(events)::DOUBLE, fsum(n), fsum("sum") + fsum(coalesce(comp, 0))
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
