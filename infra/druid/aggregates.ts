import { aggTable } from '#schema/metric.ts'
import type { AggregatesQuery, OlapRow, Positions } from '#schema/olap.ts'
import type { DruidClient, SqlValue } from './client.ts'
import { compareDims } from './dims.ts'
import { type Freshness, orNothing } from './freshness.ts'
import {
  addSketches,
  type Gathered,
  gather,
  MERGED_NUMBERS,
  NUMBER_COUNT,
  numbersOf,
  plainSketches,
  stateOf,
} from './measure-state.ts'
import { boundedTime } from './time.ts'

const ASKED = `FROM %s t WHERE t.tenant = ? AND t.metric = ? AND t.version = ? AND t."size" = ?
  AND t.__time >= MILLIS_TO_TIMESTAMP(?) AND t.__time < MILLIS_TO_TIMESTAMP(?)`

const totalsSql = (asked: string): string => `
SELECT TIMESTAMP_TO_MILLIS(t.__time), t.dims, SUM(t.events), SUM(t.corrections), SUM(t.revisions), MAX(t.corrected_at),
  MAX(t.sketch), COUNT(t.item), ${MERGED_NUMBERS}
${asked} GROUP BY t.__time, t.dims`
const FIXED = 8

/** One by one: a sketch that Druid merges costs it as much as a full one, however few there are in it. */
const sketchesSql = (asked: string): string =>
  `SELECT TIMESTAMP_TO_MILLIS(t.__time), t.dims, ${plainSketches('t')} ${asked} AND t.sketch = 1`

const itemsSql = (asked: string): string => `
SELECT TIMESTAMP_TO_MILLIS(t.__time), t.dims, t.item, SUM(t.item_count) ${asked} AND t.item IS NOT NULL
GROUP BY t.__time, t.dims, t.item`

const keyOf = ([start, dims]: unknown[]): string => `${start} ${dims}`

/** Sketches and values of topK by series, where there are any. */
const readParts = async (
  client: DruidClient,
  asked: string,
  values: readonly SqlValue[],
  totals: readonly unknown[][],
): Promise<Map<string, Gathered>> => {
  const parts = new Map<string, Gathered>()
  const of = (row: unknown[]): Gathered => {
    const found = parts.get(keyOf(row)) ?? gather()
    parts.set(keyOf(row), found)
    return found
  }
  if (totals.some((row) => row[6] === 1)) {
    for (const row of (await client.query(sketchesSql(asked), values)).rows) addSketches(of(row), row.slice(2))
  }
  if (totals.some((row) => Number(row[7]) > 0)) {
    for (const row of (await client.query(itemsSql(asked), values)).rows) {
      of(row).items.push([row[2] as string, row[3] as number])
    }
  }
  return parts
}

const toRow = (query: AggregatesQuery, row: unknown[], parts: Gathered): OlapRow => {
  const { tenant, metric, version, size } = query
  const [start, dims, events, corrections, revision, correctedAt] = row
  return {
    ...{ tenant, metric, version, size },
    start: start as number,
    dims: JSON.parse(dims as string) as (string | null)[],
    events: events as number,
    corrections: corrections as number,
    ...(correctedAt === null ? {} : { correctedAt: correctedAt as number }),
    revision: revision as number,
    ...stateOf(numbersOf(row.slice(FIXED, FIXED + NUMBER_COUNT)), parts),
  }
}

/** Totals of slices, and positions that they surely hold. */
export const readAggregates = async (
  client: DruidClient,
  freshness: Freshness,
  query: AggregatesQuery,
): Promise<{ rows: OlapRow[]; positions: Positions }> => {
  const { tenant, metric, version, size, from, to } = query
  const table = aggTable(size)
  const asked = ASKED.replace('%s', table)
  const values = [tenant, metric, version, size, boundedTime(from), boundedTime(to)]
  const { answer, positions } = await freshness.reading(table, async () => {
    const { rows } = await orNothing(client.query(totalsSql(asked), values))
    const parts = await readParts(client, asked, values, rows)
    return rows.map((row) => toRow(query, row, parts.get(keyOf(row)) ?? gather()))
  })
  return { rows: answer.sort((a, b) => a.start - b.start || compareDims(a.dims, b.dims)), positions }
}
