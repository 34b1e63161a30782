import type { AggregateRow } from '#schema/checkpoint.ts'
import { mergeCorrections } from '#schema/corrections.ts'
import { mergeExact } from '#schema/measures/exact-sum.ts'
import { seriesKey } from '#schema/metric.ts'

/** What several deltas of one series and slice come to; `revisions`: how many they are, absent for one. */
export type MergedDelta = AggregateRow & { revisions?: number }

const joined = <T>(a: readonly T[] | undefined, b: readonly T[] | undefined): T[] | undefined =>
  a && b ? [...a, ...b] : (a ?? b)?.slice()

const least = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined ? b : b === undefined ? a : Math.min(a, b)
const most = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined ? b : b === undefined ? a : Math.max(a, b)
const added = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined && b === undefined ? undefined : (a ?? 0) + (b ?? 0)

/** As `mergedRows` merges them in the store: what is a list of changes stands one behind the other. */
const merge = (a: MergedDelta, b: AggregateRow): MergedDelta => {
  const sum = { sum: a.sum ?? 0, comp: a.comp ?? 0 }
  mergeExact(sum, { sum: b.sum ?? 0, comp: b.comp ?? 0 })
  return {
    ...a,
    ...mergeCorrections(a, b),
    events: a.events + b.events,
    n: added(a.n, b.n),
    shed: added(a.shed, b.shed),
    ...(added(a.sum, b.sum) === undefined && added(a.comp, b.comp) === undefined ? {} : sum),
    min: least(a.min, b.min),
    max: most(a.max, b.max),
    members: joined(a.members, b.members),
    registers: joined(a.registers, b.registers),
    buckets: joined(a.buckets, b.buckets),
    items: joined(a.items, b.items),
    error: added(a.error, b.error),
    revisions: (a.revisions ?? 1) + 1,
  }
}

/**
 * Deltas with those of one series and slice as one: each partition has its own, and each of its checkpoints, of which a
 * write takes several. A row costs the store several times what it costs to merge it.
 */
export const mergeDeltas = (rows: readonly AggregateRow[]): MergedDelta[] => {
  const slices = new Map<string, Map<string, MergedDelta>>()
  let last: AggregateRow | undefined
  let slice = new Map<string, MergedDelta>()
  for (const row of rows) {
    const { tenant, metric, version, size, start } = row
    const isSame =
      last?.start === start &&
      last.size === size &&
      last.metric === metric &&
      last.tenant === tenant &&
      last.version === version
    if (!isSame) {
      const key = `${tenant} ${metric} ${version} ${size} ${start}`
      slice = slices.get(key) ?? new Map()
      slices.set(key, slice)
      last = row
    }
    const key = seriesKey(row.dims)
    const known = slice.get(key)
    slice.set(key, known ? merge(known, row) : row)
  }
  return [...slices.values()].flatMap((series) => [...series.values()])
}
