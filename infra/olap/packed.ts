import type { MeasureJson } from '#schema/measures.ts'
import type { AggregatesQuery, OlapRow, Positions } from '#schema/olap.ts'

/**
 * Rows of one metric by windows and columns, without what they have in common: a tenth to a sixth of the bytes, and
 * text that can be kept by window and put together for any range.
 */
export interface PackedAggregates {
  windows: PackedWindow[]
  positions: Positions
}

/** The value of each row; a list only where they differ. */
type Column<T> = T | T[]

type PackedWindow = [
  start: number,
  /** How many rows there are. */
  count: number,
  /** JSON of their dimensions: neighbours mostly have the same, which need not be read again. */
  dims: string,
  events: Column<number>,
  corrections: Column<number>,
  correctedAt: Column<number | null>,
  revision: Column<number>,
  /** Of counts `n` alone, 0 where it is absent. */
  measures: Column<number> | MeasureJson[],
]

const toColumn = <T extends number | null>(values: T[]): Column<T> =>
  values.every((value) => value === values[0]) ? values[0] : values

const measureOf = (row: OlapRow): MeasureJson => {
  const { tenant, metric, version, size, start, dims, events, corrections, correctedAt, revision, ...measure } = row
  return measure
}

const isCount = (measure: MeasureJson): boolean =>
  Object.keys(measure).every((field) => field === 'n') && measure.n !== 0

/** JSON of the rows of one window, of which there is one at least. */
export const packWindow = (start: number, rows: readonly OlapRow[]): string => {
  const measures = rows.map(measureOf)
  return JSON.stringify([
    start,
    rows.length,
    JSON.stringify(rows.map(({ dims }) => dims)),
    toColumn(rows.map(({ events }) => events)),
    toColumn(rows.map(({ corrections }) => corrections)),
    toColumn(rows.map(({ correctedAt }) => correctedAt ?? null)),
    toColumn(rows.map(({ revision }) => revision)),
    measures.every(isCount) ? toColumn(measures.map(({ n }) => n ?? 0)) : measures,
  ] satisfies PackedWindow)
}

/** JSON of PackedAggregates, from windows in the order of their starts. */
export const packAggregates = (windows: readonly string[], positions: Positions): string =>
  `{"windows":[${windows.join(',')}],"positions":${JSON.stringify(positions)}}`

const at = <T extends number | null | object>(column: Column<T>, row: number): T =>
  Array.isArray(column) ? column[row] : column

/** The rows as the store has them, in order. Rows of the same dimensions may share them. */
export const unpackAggregates = (
  { tenant, metric, version, size }: AggregatesQuery,
  { windows, positions }: PackedAggregates,
): { rows: OlapRow[]; positions: Positions } => {
  const rows: OlapRow[] = []
  let known = ''
  let series: OlapRow['dims'][] = []
  for (const [start, count, text, events, corrections, correctedAt, revision, measures] of windows) {
    if (text !== known) {
      series = JSON.parse(text) as OlapRow['dims'][]
      known = text
    }
    for (let i = 0; i < count; i++) {
      const row: OlapRow = {
        tenant,
        metric,
        version,
        size,
        start,
        dims: series[i],
        events: at(events, i),
        corrections: at(corrections, i),
        revision: at(revision, i),
      }
      const corrected = at(correctedAt, i)
      if (corrected !== null) row.correctedAt = corrected
      const measure = at<number | MeasureJson>(measures, i)
      if (typeof measure === 'object') Object.assign(row, measure)
      else if (measure !== 0) row.n = measure
      rows.push(row)
    }
  }
  return { rows, positions }
}

/** A store that keeps what it has read as it is sent. */
export interface PackedReader {
  /** JSON of PackedAggregates. */
  packedAggregates(query: AggregatesQuery): Promise<string>
}
