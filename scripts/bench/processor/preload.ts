import type { PartitionFold } from '#processors/windows/fold.ts'
import type { SegmentRow } from '#schema/checkpoint.ts'
import type { MetricDefinition } from '#schema/metric.ts'
import { emptySegment } from '#schema/segment.ts'

const MINUTE_MS = 60_000
/** Below the cap of 10,000. */
const SERIES_A_WINDOW = 9_000

/**
 * Puts series into a fold as if they had been counted in the minutes before `now`: the traffic that follows finds them
 * in memory, and its late events fall into the same windows.
 */
export const preloadSeries = (
  fold: PartitionFold,
  metrics: readonly MetricDefinition[],
  series: number,
  now: number,
): void => {
  const wide = metrics.filter(({ dimensions }) => dimensions.length === 2)
  const newest = Math.floor(now / MINUTE_MS)
  let rows: SegmentRow[] = []
  for (let i = 0; i < series; i++) {
    const window = Math.floor(i / SERIES_A_WINDOW)
    const { name: metric, version, dimensions } = wide[window % wide.length]
    rows.push({
      tenant: 'main',
      metric,
      version,
      size: MINUTE_MS,
      start: (newest - 1 - Math.floor(window / wide.length)) * MINUTE_MS,
      dims: dimensions.map((_, d) => (d === 0 ? `/section-${i % 97}/product-${i}` : `value-${i % 7}`)),
      events: 1,
      corrections: 0,
      n: 1,
      changed: 1,
      changedAt: now,
      revision: 1,
    })
    if (rows.length < SERIES_A_WINDOW && i < series - 1) continue
    fold.restore({ ...emptySegment(), rows })
    rows = []
  }
}

/** Series in memory. */
export const countSeries = (folds: readonly PartitionFold[]): number => {
  let count = 0
  for (const { tenants } of folds) {
    for (const { metrics } of tenants.values()) {
      for (const { stores } of metrics.values()) for (const store of stores) count += store.seriesCount
    }
  }
  return count
}
