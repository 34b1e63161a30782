import type { AggregateRow } from '#schema/checkpoint.ts'
import { mergeCorrections } from '#schema/corrections.ts'
import { mergeExact } from '#schema/measures/exact-sum.ts'
import { seriesKey } from '#schema/metric.ts'

/** What several deltas of one series and slice come to; `revisions`: how many they are, absent for one. */
export type MergedDelta = AggregateRow & { revisions?: number }

/** A list of both, one behind the other; `known` is ours to change. */
const joined = <T>(known: T[] | undefined, more: readonly T[]): T[] => {
  if (!known) return [...more]
  for (const one of more) known.push(one)
  return known
}

/** A copy that `merge` may change. */
const owned = (row: AggregateRow): MergedDelta => ({
  ...row,
  ...(row.members && { members: [...row.members] }),
  ...(row.registers && { registers: [...row.registers] }),
  ...(row.buckets && { buckets: [...row.buckets] }),
  ...(row.items && { items: [...row.items] }),
  revisions: 1,
})

/** As `mergedRows` merges them in the store, in place: what is a list of changes stands one behind the other. */
const merge = (into: MergedDelta, row: AggregateRow): void => {
  const { n, shed, sum, comp, min, max, members, registers, buckets, items, error } = row
  into.events += row.events
  if (row.corrections > 0 || row.correctedAt !== undefined) Object.assign(into, mergeCorrections(into, row))
  if (n !== undefined) into.n = (into.n ?? 0) + n
  if (shed !== undefined) into.shed = (into.shed ?? 0) + shed
  if (sum !== undefined || comp !== undefined) {
    const exact = { sum: into.sum ?? 0, comp: into.comp ?? 0 }
    mergeExact(exact, { sum: sum ?? 0, comp: comp ?? 0 })
    into.sum = exact.sum
    into.comp = exact.comp
  }
  if (min !== undefined) into.min = into.min === undefined ? min : Math.min(into.min, min)
  if (max !== undefined) into.max = into.max === undefined ? max : Math.max(into.max, max)
  if (members) into.members = joined(into.members, members)
  if (registers) into.registers = joined(into.registers, registers)
  if (buckets) into.buckets = joined(into.buckets, buckets)
  if (items) into.items = joined(into.items, items)
  if (error !== undefined) into.error = (into.error ?? 0) + error
  into.revisions = (into.revisions ?? 1) + 1
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
    if (!known) {
      slice.set(key, row)
      continue
    }
    const sum = known.revisions === undefined ? owned(known) : known
    merge(sum, row)
    if (sum !== known) slice.set(key, sum)
  }
  return [...slices.values()].flatMap((series) => [...series.values()])
}
