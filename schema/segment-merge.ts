import {
  type Segment,
  type SegmentIds,
  type SegmentRow,
  type SegmentSession,
  type UnnamedJson,
  WORDS_PER_ID,
} from './checkpoint.ts'
import { mergeCorrections } from './corrections.ts'
import { mergeWeights } from './measures/tally.ts'
import { type MeasureState, mergeJson, stateFromJson, stateToJson } from './measures.ts'
import { seriesKey } from './metric.ts'
import { sessionRowKey } from './session-rows.ts'

/** Says what of a segment is still needed when it is merged. */
export interface Keep {
  row(row: SegmentRow): boolean
  session(row: SegmentSession): boolean
  /** `minute`: event time of the identity in minutes since 1970. */
  id(tenant: string, source: string, minute: number): boolean
}

const KEEP_ALL: Keep = { row: () => true, session: () => true, id: () => true }

const sliceKey = ({ tenant, metric, version, size, start }: SegmentRow): string =>
  `${tenant}\n${metric}\n${version}\n${size}\n${start}\n`

const mergeUnnamed = (a: UnnamedJson, b: UnnamedJson): UnnamedJson => {
  const counts = new Map(a.counts)
  mergeWeights(counts, b.counts)
  return { weight: a.weight + b.weight, counts: [...counts] }
}

const unnamedOf = ({ unnamed: a }: SegmentRow, { unnamed: b }: SegmentRow): Pick<SegmentRow, 'unnamed'> => {
  const unnamed = a && b ? mergeUnnamed(a, b) : (a ?? b)
  return unnamed ? { unnamed } : {}
}

/** Rows of one series and slice, with their states as one. */
interface Merged {
  row: SegmentRow
  /** Null of a single row, which stays as it is. */
  state: MeasureState | null
}

const merge = (into: Merged, from: SegmentRow): void => {
  const { row } = into
  into.state ??= stateFromJson(row)
  mergeJson(into.state, from)
  into.row = {
    tenant: row.tenant,
    metric: row.metric,
    version: row.version,
    size: row.size,
    start: row.start,
    dims: row.dims,
    events: row.events + from.events,
    ...mergeCorrections(row, from),
    changed: Math.max(row.changed, from.changed),
    changedAt: Math.max(row.changedAt, from.changedAt),
    revision: row.revision + from.revision,
    ...unnamedOf(row, from),
  }
}

const mergeRows = (segments: readonly Segment[], keep: Keep): SegmentRow[] => {
  const rows = new Map<string, Merged>()
  for (const segment of segments) {
    for (const row of segment.rows) {
      if (!keep.row(row)) continue
      const key = sliceKey(row) + seriesKey(row.dims)
      const known = rows.get(key)
      if (known) merge(known, row)
      else rows.set(key, { row, state: null })
    }
  }
  return Array.from(rows.values(), ({ row, state }) => (state ? { ...row, ...stateToJson(state) } : row))
}

const keepIds = ({ tenant, source, words }: SegmentIds, keep: Keep): SegmentIds => {
  const kept: number[] = []
  for (let at = 0; at < words.length; at += WORDS_PER_ID) {
    if (keep.id(tenant, source, words[at + WORDS_PER_ID - 1])) kept.push(at)
  }
  if (kept.length * WORDS_PER_ID === words.length) return { tenant, source, words }
  const left = new Uint32Array(kept.length * WORDS_PER_ID)
  for (const [i, at] of kept.entries()) left.set(words.subarray(at, at + WORDS_PER_ID), i * WORDS_PER_ID)
  return { tenant, source, words: left }
}

/** The newest of each key wins: later segments stand later. */
const newest = <T>(items: Iterable<T>, key: (item: T) => string, version: (item: T) => number): T[] => {
  const found = new Map<string, T>()
  for (const item of items) {
    const known = found.get(key(item))
    if (!known || version(item) >= version(known)) found.set(key(item), item)
  }
  return [...found.values()]
}

/** Merges segments, oldest first, into one that says the same. */
export const mergeSegments = (segments: readonly Segment[], keep: Keep = KEEP_ALL): Segment => {
  return {
    rows: mergeRows(segments, keep),
    sessions: newest(
      segments.flatMap((segment) => segment.sessions.filter(keep.session)),
      sessionRowKey,
      ({ revision }) => revision,
    ),
    ids: segments
      .flatMap((segment) => segment.ids.map((ids) => keepIds(ids, keep)))
      .filter(({ words }) => words.length > 0),
    clocks: newest(
      segments.flatMap((segment) => segment.clocks),
      (clock) => `${clock.tenant}\n${clock.source}`,
      () => 0,
    ),
    definitions: newest(
      segments.flatMap((segment) => segment.definitions),
      ({ tenant, definition }) => `${tenant}\n${definition.name}`,
      ({ definition }) => definition.version,
    ),
    tenants: newest(
      segments.flatMap((segment) => segment.tenants),
      ({ tenant }) => tenant,
      ({ version }) => version,
    ),
  }
}
