import type { SegmentRow } from './checkpoint.ts'
import type { MeasureJson } from './measures.ts'

/** What rows of one slice of a metric share, said once. */
interface SliceHead {
  tenant: string
  metric: string
  version: number
  size: number
  start: number
}

/** The measure with what only some rows have. */
type Rest = MeasureJson & Pick<SegmentRow, 'correctedAt' | 'unnamed'>

/** dims, events, corrections, changed, changedAt, revision, and the rest. */
type PackedRow = [(string | null)[], number, number, number, number, number, Rest]

/** Rows of one slice as they stand in a chunk. */
export interface RowGroup extends SliceHead {
  rows: PackedRow[]
}

/** Members of a set that stand in one row: a row must fit a chunk, however many a window has. */
const ROW_MEMBERS = 20_000

/** A row as rows that sum up to it, each small enough. */
function* rowPieces(row: SegmentRow): Generator<SegmentRow> {
  const { members } = row
  if (!members || members.length <= ROW_MEMBERS) return yield row
  yield { ...row, members: members.slice(0, ROW_MEMBERS) }
  const { tenant, metric, version, size, start, dims, changed, changedAt } = row
  const more = {
    tenant,
    metric,
    version,
    size,
    start,
    dims,
    changed,
    changedAt,
    events: 0,
    corrections: 0,
    revision: 0,
  }
  for (let at = ROW_MEMBERS; at < members.length; at += ROW_MEMBERS) {
    yield { ...more, members: members.slice(at, at + ROW_MEMBERS) }
  }
}

/** Rows that sum up to these, each small enough for a chunk. */
export function* piecesOf(rows: readonly SegmentRow[]): Generator<SegmentRow> {
  for (const row of rows) yield* rowPieces(row)
}

const ROWS = ',"rows":['

/** Named one by one: a copy of a row without some of its fields takes several times as long. What is undefined is not written. */
const restOf = (row: SegmentRow): Rest =>
  ({
    correctedAt: row.correctedAt,
    unnamed: row.unnamed,
    n: row.n,
    shed: row.shed,
    sum: row.sum,
    comp: row.comp,
    min: row.min,
    max: row.max,
    members: row.members,
    registers: row.registers,
    buckets: row.buckets,
    items: row.items,
    error: row.error,
  }) satisfies { [K in keyof Required<Rest>]: Rest[K] }

/** A row as it stands in its group, as JSON. */
export const packRow = (row: SegmentRow): string => {
  const { dims, events, corrections, changed, changedAt, revision } = row
  return JSON.stringify([dims, events, corrections, changed, changedAt, revision, restOf(row)] satisfies PackedRow)
}

const isSameSlice = (a: SliceHead, b: SliceHead): boolean =>
  a.start === b.start && a.size === b.size && a.metric === b.metric && a.tenant === b.tenant && a.version === b.version

/** Collects rows as the JSON of their groups. */
export const createRowGroups = () => {
  /** By their head. */
  const groups = new Map<string, string[]>()
  let last: { of: SliceHead; rows: string[] } | undefined
  return {
    /** Answers how many bytes a new group takes beside its rows. */
    add({ tenant, metric, version, size, start }: SegmentRow, text: string): number {
      const of = { tenant, metric, version, size, start }
      // Rows of one slice follow each other.
      if (last && isSameSlice(last.of, of)) {
        last.rows.push(text)
        return 0
      }
      const head = JSON.stringify(of)
      const known = groups.get(head)
      const rows = known ?? []
      rows.push(text)
      last = { of, rows }
      if (known) return 0
      groups.set(head, rows)
      return head.length + ROWS.length
    },
    toJson: (): string =>
      `[${[...groups].map(([head, rows]) => `${head.slice(0, -1)}${ROWS}${rows.join(',')}]}`).join(',')}]`,
  }
}

export const unpackRows = ({ tenant, metric, version, size, start, rows }: RowGroup): SegmentRow[] =>
  rows.map(([dims, events, corrections, changed, changedAt, revision, measure]) => ({
    tenant,
    metric,
    version,
    size,
    start,
    dims,
    events,
    corrections,
    changed,
    changedAt,
    revision,
    ...measure,
  }))
