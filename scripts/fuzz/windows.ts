import { foldRow, newSlice, type Slice } from '#gateway/live/slices.ts'
import type { AggregateRow } from '#schema/checkpoint.ts'
import { type MeasureState, measureOf, stateFromJson } from '#schema/measures.ts'
import { type MetricDefinition, seriesKey, sliceSizes } from '#schema/metric.ts'
import type { OlapReader } from '#schema/olap.ts'
import { type Finding, isSame, shown } from './finding.ts'

const metric = (
  name: string,
  measure: MetricDefinition['measure'],
  dimensions: string[],
  where: MetricDefinition['where'] = [],
): MetricDefinition => ({
  name,
  event: '*',
  where,
  measure,
  dimensions,
  windows: [
    { kind: 'TUMBLING', sizeMs: 60_000 },
    { kind: 'TUMBLING', sizeMs: 3_600_000 },
  ],
  version: 1,
})

const field = 'properties.a'
/** One of each measure, over fields that hold anything. */
export const METRICS: readonly MetricDefinition[] = [
  metric('counts', { kind: 'COUNT' }, ['properties.a', 'properties.b', 'userId']),
  metric('sums', { kind: 'SUM', field }, ['properties.c']),
  metric('averages', { kind: 'AVG', field }, []),
  metric('least', { kind: 'MIN', field }, ['name']),
  metric('most', { kind: 'MAX', field }, ['context.a']),
  metric('uniques', { kind: 'UNIQUES', field }, ['country']),
  metric('spread', { kind: 'QUANTILES', field }, ['country']),
  metric('most_often', { kind: 'TOPK', field, k: 5 }, ['context.a']),
  metric('some', { kind: 'COUNT' }, ["properties.q'"], [{ field: 'properties.b', op: 'EXISTS', value: true }]),
]

/** Value of a measure with which two ways of adding agree. */
const comparable = (definition: MetricDefinition, state: MeasureState): unknown => ({
  value: measureOf(definition.measure).value(state),
  detail: measureOf(definition.measure).detail(state),
  members: (state.sketch?.uniques?.members.list() ?? []).sort((a, b) => a - b),
  range: state.range,
})

/** The live view's sums of the rows. */
const liveSlices = (rows: readonly AggregateRow[]): Map<number, Slice> => {
  const slices = new Map<number, Slice>()
  for (const row of rows) {
    const slice = slices.get(row.start) ?? newSlice(row.start, 1)
    slices.set(row.start, slice)
    foldRow(slice, row, { partition: 0, checkpoint: 1, at: 0, revision: 1 })
  }
  return slices
}

const whole = { from: 0, to: 253_402_300_799_999 }

/** Live view and store must have the same series with the same values, and every value must be one that JSON can say. */
export const checkWindows = async (
  olap: OlapReader,
  tenant: string,
  rows: readonly AggregateRow[],
): Promise<Finding[]> => {
  const findings: Finding[] = []
  for (const definition of METRICS) {
    for (const size of sliceSizes(definition)) {
      const slices = liveSlices(rows.filter((row) => row.metric === definition.name && row.size === size))
      const live = new Map(
        [...slices.values()].flatMap(({ start, series }) =>
          [...series.values()].map(({ dims, state, events }) => [`${start} ${seriesKey(dims)}`, { state, events }]),
        ),
      )
      const stored = await olap.aggregates({ tenant, metric: definition.name, version: 1, size, ...whole })
      const name = `${definition.name} of ${size} ms`
      if (stored.rows.length !== live.size) {
        findings.push({ check: 'series', detail: `${name}: ${live.size} live, ${stored.rows.length} stored` })
      }
      for (const row of stored.rows) {
        const point = live.get(`${row.start} ${seriesKey(row.dims)}`)
        const kept = { ...comparable(definition, stateFromJson(row))!, events: row.events }
        const shownLive = point && { ...comparable(definition, point.state)!, events: point.events }
        const { value } = kept as { value?: number | null }
        if (!shownLive || !isSame(kept, shownLive)) {
          findings.push({
            check: 'window',
            detail: `${name} ${shown(row.dims)}: ${shown(shownLive ?? null)} live, ${shown(kept)} stored`,
          })
        } else if (value !== null && !Number.isFinite(value)) {
          findings.push({ check: 'value', detail: `${name} ${shown(row.dims)}: ${value} cannot be answered` })
        }
      }
    }
  }
  return findings
}
