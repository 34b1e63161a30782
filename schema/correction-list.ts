import { type AggregateRow, SESSIONS, type SessionRow } from './checkpoint.ts'
import { type MeasureJson, type MeasureState, measureOf, mergeJson, stateFromJson } from './measures.ts'
import { type MeasureSpec, seriesKey } from './metric.ts'
import type { StoredCorrection } from './olap.ts'

/** A correction as a store keeps it: of which tenant, and by which change of the point. */
export interface NewCorrection extends Omit<StoredCorrection, 'at'> {
  tenant: string
  revision: number
}

/** How a metric of a version measures; undefined when nobody knows any more. */
export type MeasureFinder = (row: Pick<AggregateRow, 'tenant' | 'metric' | 'version'>) => MeasureSpec | undefined

const valueBy = (spec: MeasureSpec | undefined, state: MeasureState): number | null =>
  spec ? measureOf(spec).value(state) : null

/** What rows of one series and slice have in common. */
export const sliceKey = ({
  tenant,
  metric,
  version,
  size,
  start,
  dims,
}: Omit<AggregateRow, keyof MeasureJson>): string => JSON.stringify([tenant, metric, version, size, start, dims])

/** The slices that came after their own clock had passed their end. */
export const correctedSlices = <T extends AggregateRow>(rows: readonly T[]): T[] =>
  rows.filter(({ corrections }) => corrections > 0)

/**
 * What a batch of deltas corrects, one for each point: its value before, with what all partitions had stored, and after.
 * `rows` may be merged already: `revisions` says of how many deltas. `stored`: merged rows of the corrected slices by sliceKey.
 */
export const sliceCorrections = (
  rows: readonly (AggregateRow & { revisions?: number })[],
  stored: ReadonlyMap<string, AggregateRow & { revision: number }>,
  measureFor: MeasureFinder,
): NewCorrection[] => {
  const corrected = new Set(correctedSlices(rows).map(sliceKey))
  if (corrected.size === 0) return []
  const groups = Map.groupBy(
    rows.filter((row) => corrected.has(sliceKey(row))),
    sliceKey,
  )
  return [...groups].map(([key, group]): NewCorrection => {
    const { tenant, metric, version, size, start, dims } = group[0]
    const before = stored.get(key)
    const spec = measureFor(group[0])
    const state = stateFromJson(before ?? {})
    const from = before ? valueBy(spec, state) : null
    for (const row of group) mergeJson(state, row)
    return {
      ...{ tenant, metric, version, windowStart: start, windowEnd: start + size, dimensions: dims, from },
      to: valueBy(spec, state),
      events: group.reduce((sum, { corrections }) => sum + corrections, 0),
      revision: group.reduce((sum, { revisions = 1 }) => sum + revisions, before?.revision ?? 0),
    }
  })
}

/** Whose sessions a row is of, and which series. */
const lineOf = (row: SessionRow): string =>
  JSON.stringify([row.tenant, row.metric, row.version, row.gap, row.source, row.session, seriesKey(row.dims)])

/** Rows of sessions that may say something about corrections. Those of SESSIONS are no points. */
export const maybeCorrected = (rows: readonly SessionRow[]): SessionRow[] =>
  rows.some(({ corrections, metric }) => corrections > 0 && metric !== SESSIONS)
    ? rows.filter(({ corrections, retracted, metric }) => (corrections > 0 || retracted) && metric !== SESSIONS)
    : []

/**
 * What a batch corrects in sessions. `rows`: the newest of each key; `known`: what is stored of one. A session that begins
 * earlier than was known, or has taken a later one in, had the corrections of what it has retracted before.
 */
export const sessionCorrections = (
  rows: readonly SessionRow[],
  known: (row: SessionRow) => SessionRow | undefined,
  measureFor: MeasureFinder,
): NewCorrection[] => {
  const retracted = Map.groupBy(
    rows.filter((row) => row.retracted),
    lineOf,
  )
  return rows.flatMap((row): NewCorrection[] => {
    const { tenant, metric, version, session, start, end, dims, corrections, revision } = row
    if (row.retracted || corrections === 0) return []
    const before = known(row)
    const taken = (retracted.get(lineOf(row)) ?? []).filter((one) => one.start >= start && one.start < end)
    const listed = [before, ...taken.map(known)].reduce((sum, one) => sum + (one?.corrections ?? 0), 0)
    if (corrections <= listed) return []
    const spec = measureFor(row)
    return [
      {
        ...{ tenant, metric, version, windowStart: start, windowEnd: end, dimensions: [session, ...dims] },
        from: before && !before.retracted ? valueBy(spec, stateFromJson(before)) : null,
        to: valueBy(spec, stateFromJson(row)),
        events: corrections - listed,
        revision,
      },
    ]
  })
}
