import type { SegmentRow } from './checkpoint.ts'
import type { Corrections } from './corrections.ts'
import type { MeasureJson } from './measures.ts'

/** What rows of one slice of a metric share, said once. */
interface SliceHead {
  tenant: string
  metric: string
  version: number
  size: number
  start: number
}

/** dims, events, corrections, changed, changedAt, revision, and the measure with what only some rows have. */
type PackedRow = [
  (string | null)[],
  number,
  number,
  number,
  number,
  number,
  MeasureJson & Pick<Corrections, 'correctedAt'>,
]

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

/** A row as it stands in its group, as JSON. */
export const packRow = (row: SegmentRow): string => {
  const { tenant: _t, metric: _m, version: _v, size: _s, start: _st, ...rest } = row
  const { dims, events, corrections, changed, changedAt, revision, ...measure } = rest
  return JSON.stringify([dims, events, corrections, changed, changedAt, revision, measure] satisfies PackedRow)
}

/** Collects rows as the JSON of their groups. */
export const createRowGroups = () => {
  const groups = new Map<string, { head: string; rows: string[] }>()
  return {
    /** Answers how many bytes a new group takes beside its rows. */
    add({ tenant, metric, version, size, start }: SegmentRow, text: string): number {
      const key = `${tenant}\n${metric}\n${version}\n${size}\n${start}`
      const known = groups.get(key)
      if (known) {
        known.rows.push(text)
        return 0
      }
      const head = JSON.stringify({ tenant, metric, version, size, start } satisfies SliceHead)
      groups.set(key, { head, rows: [text] })
      return head.length + ROWS.length
    },
    toJson: (): string =>
      `[${[...groups.values()].map(({ head, rows }) => `${head.slice(0, -1)}${ROWS}${rows.join(',')}]}`).join(',')}]`,
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
