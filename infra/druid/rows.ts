import type { AggregateRow, OutputRow, SessionRow, Settlement } from '#schema/checkpoint.ts'
import { isSessionRow, STATE_FORMAT } from '#schema/checkpoint.ts'
import { aggTable, seriesKey } from '#schema/metric.ts'
import { HEADERS } from '#schema/subjects.ts'
import { checkedRow } from './checked-row.ts'
import { type MeasureFields, measureFields } from './measure-fields.ts'

/**
 * What Druid reads of a checkpoint: one JSON object a line, flat, from the messages `aggregates.<tenant>.<metric>.<p>` and
 * `settled.<p>`. Each table takes the lines whose `table` is its own or `position`. All are changes: Druid's rollup and
 * SQL add them up.
 *
 * | Field | Of | Type in Druid | Meaning |
 * |---|---|---|---|
 * | `table` | all | filter | `minly`, `hourly` (slices below an hour, and the others), `session`, `position`, `refused` |
 * | `start` | all | timestamp, ms | start of the slice or session; of a position the hour in which it was committed |
 * | `partition`, `checkpoint` | all | not stored | where the line comes from |
 * | `position_of` | position | long dimension | partition |
 * | `position` | position | longMax | its checkpoint: all lines before this one are of it or older |
 * | `tenant`, `metric` | rows | string dimension | |
 * | `version` | rows | long dimension | of the definition |
 * | `size` | slices | long dimension | ms |
 * | `gap`, `source`, `session`, `revision`, `retracted` | sessions | dimensions: long, string, string, long, long (0, 1) | see SessionRow; of one series of a session the highest revision holds |
 * | `end` | rows | long dimension | ms |
 * | `dims` | rows | string dimension | JSON array of the series' dimensions: its identity |
 * | `d1` … `d6` | rows | string dimension | the same one by one, null where there is none |
 * | `item` | topK | string dimension | a value; its line counts nothing but `item_count` |
 * | `item_count` | topK | doubleSum | weight of the value, at most the true one, at least that less `error` |
 * | `error` | topK | doubleSum | |
 * | `events`, `corrections`, `revisions` | rows | longSum | events folded in, corrections among them; lines of changes |
 * | `corrected_at` | slices | longMax | ms, see Corrections |
 * | `ended` | sessions | longMax | see SessionRow |
 * | `count`, `shed` | rows | doubleSum | weight of what was measured, and what of it stands for shed events |
 * | `sum` | rows | doubleSum | as exact as a sum of doubles is |
 * | `sum_high`, `sum_low`, `sum_part` | rows | doubleSum | the same in parts that add up without losing digits, see exact-parts.ts |
 * | `sketch` | slices | longMax | 1 where one of the next three is there |
 * | `min`, `max` | rows | doubleMin, doubleMax | |
 * | `uniques` | rows | HLLSketchMerge, lgK 14 | base64, see sketches/hll.ts |
 * | `quantiles`, `quantiles_taken` | rows | quantilesDoublesSketch, k 256 | base64, see sketches/quantiles.ts; what was measured, and what of it was taken back |
 * | `reason` | refused | not stored | first field that Druid could not hold; no table takes the line |
 */
type DruidRow = RowFields | PositionFields | RefusedFields

interface Place {
  partition: number
  checkpoint: number
}

interface RowFields extends Place, MeasureFields {
  table: 'minly' | 'hourly' | 'session'
  start: number
  end: number
  tenant: string
  metric: string
  version: number
  dims: string
  [field: string]: unknown
}

interface PositionFields extends Place {
  table: 'position'
  start: number
  position_of: number
  position: number
}

interface RefusedFields extends Place {
  table: 'refused'
  reason: string
}

/** A message of JetStream. */
interface Message {
  subject: string
  data: Uint8Array
  header(name: string): string
}

const HOUR_MS = 3_600_000

/** What is no valid Unicode would be something else in every store. */
const clean = (text: string): string => text.toWellFormed()

const seriesFields = (dims: readonly (string | null)[]): { dims: string; [field: string]: string } => {
  const cleaned = dims.map((dim) => dim && clean(dim))
  const named = cleaned.flatMap((dim, i) => (dim === null ? [] : [[`d${i + 1}`, dim] as const]))
  return { dims: JSON.stringify(cleaned), ...Object.fromEntries(named) }
}

const sliceFields = ({ size, start, correctedAt }: AggregateRow) => ({
  table: aggTable(size) === 'hourly_aggs' ? ('hourly' as const) : ('minly' as const),
  end: start + size,
  size,
  corrected_at: correctedAt,
})

const sessionFields = ({ gap, source, session, end, revision, retracted, ended }: SessionRow) => ({
  table: 'session' as const,
  end,
  gap,
  source: clean(source),
  session: clean(session),
  revision,
  retracted: retracted ? 1 : 0,
  ended,
})

/** The row itself, and behind it the values of topK. */
const rowLines = (row: OutputRow, place: Place): DruidRow[] => {
  const { tenant, metric, version, start, dims, events, corrections } = row
  const { corrected_at, ended, ...own } = isSessionRow(row)
    ? { ...sessionFields(row), corrected_at: undefined }
    : { ...sliceFields(row), ended: undefined }
  const key = { ...place, ...own, start, tenant, metric, version, ...seriesFields(dims) } satisfies RowFields
  const name = `${place.partition} ${place.checkpoint} ${tenant} ${metric} ${start} ${own.end} ${seriesKey(dims)}`
  const counts = { events, corrections, corrected_at, ended, revisions: 1 }
  const values = (row.items ?? []).map(([item, count]) => ({ ...key, item: clean(item), item_count: count }))
  return [{ ...key, ...counts, ...measureFields(row, name) }, ...values]
}

const lineRows = (line: string, place: Place): DruidRow[] => {
  const refused = (reason: string): DruidRow[] => [{ table: 'refused', ...place, reason }]
  try {
    const row = checkedRow(JSON.parse(line))
    return typeof row === 'string' ? refused(row) : rowLines(row, place)
  } catch {
    return refused('JSON')
  }
}

const positionRow = ({ format, partition, checkpoint, at }: Settlement): PositionFields => {
  if (format > STATE_FORMAT) {
    throw new Error(`partition ${partition}: checkpoint ${checkpoint} has format ${format}, newer than ${STATE_FORMAT}`)
  }
  const start = Math.floor(at / HOUR_MS) * HOUR_MS
  return { table: 'position', partition, checkpoint, start, position_of: partition, position: checkpoint }
}

const decoder = new TextDecoder()

/**
 * Lines for Druid of one message; one that is no output gives none. Throws on a settlement of a newer format: what is
 * behind it must wait for the version that reads it.
 */
export const druidLines = ({ subject, data, header }: Message): string[] => {
  const text = decoder.decode(data)
  if (subject.startsWith('settled.')) return [JSON.stringify(positionRow(JSON.parse(text) as Settlement))]
  if (!subject.startsWith('aggregates.')) return []
  const place = {
    partition: Number(subject.slice(subject.lastIndexOf('.') + 1)),
    checkpoint: Number(header(HEADERS.checkpoint) || 0),
  }
  return text
    .split('\n')
    .filter((line) => line !== '')
    .flatMap((line) => lineRows(line, place))
    .map((row) => JSON.stringify(row))
}
