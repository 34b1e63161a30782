import type { DuckDBConnection, DuckDBListValue } from '@duckdb/node-api'
import { sliceKey } from '#schema/correction-list.ts'
import { aggTable } from '#schema/metric.ts'
import { SLICE_COLUMNS } from './aggregate-rows.ts'
import { withRows } from './given-rows.ts'
import { FIELDS, type Field, measureJson, measureValues } from './measure-columns.ts'
import type { MergedDelta } from './merge-deltas.ts'
import { rowJson } from './row-json.ts'
import { SliceMemory, type StoredSlice } from './slice-memory.ts'
import type { Spool } from './spool.ts'
import { AGGREGATE_TABLES, mergedRows } from './tables.ts'

type Table = (typeof AGGREGATE_TABLES)[number]

/** What is stored of slices, for corrections: mostly known without asking. For the only writer of the tables. */
export interface StoredSlices {
  /** Of the slices of these rows, merged, by sliceKey; inside the transaction that is about to add them. */
  find(rows: readonly MergedDelta[]): Promise<Map<string, StoredSlice>>
  /** Takes note of rows that were committed. */
  added(rows: readonly MergedDelta[]): void
  /** What was committed is not known: the tables are asked again. */
  forget(): void
}

const SLICE = 'tenant, metric, version, size_ms, window_start, dims'
/** A point's number does not depend on these, which are the largest. */
const WITHOUT: readonly Field[] = ['buckets', 'items', 'error']
const VALUE_FIELDS = FIELDS.filter((field) => !WITHOUT.includes(field))

const mergedSql = (from: string): string => `
SELECT tenant, metric, version::DOUBLE, size_ms::DOUBLE, epoch_ms(window_start)::DOUBLE, dims, revisions::DOUBLE,
  ${measureValues(VALUE_FIELDS)}
FROM (${mergedRows(SLICE, from)})`
const FIXED = 7

/** The range lets most of the table be skipped. */
const wantedSql = (table: Table, wanted: string): string =>
  mergedSql(`${table} SEMI JOIN (
    SELECT tenant, metric, version, size AS size_ms, epoch_ms(start) AS window_start, dims FROM ${wanted}) USING (${SLICE})
  WHERE window_start BETWEEN epoch_ms($1::BIGINT) AND epoch_ms($2::BIGINT)`)

const after = (table: Table): string => `${table} WHERE window_start > epoch_ms($1::BIGINT)`
const newestSql = (table: Table): string => `
SELECT count(*)::DOUBLE, epoch_ms(max(window_start))::DOUBLE FROM ${after(table)}`

const toSlice = (values: readonly unknown[]): StoredSlice => {
  const [tenant, metric, version, size, start, dims, revision] = values
  return {
    ...({ tenant, metric, version, size, start, events: 0, corrections: 0, revision } as StoredSlice),
    dims: [...(dims as DuckDBListValue).items] as (string | null)[],
    ...measureJson(values.slice(FIXED), VALUE_FIELDS),
  }
}

/** Windows that may still change when a process starts: they are read once, unless they have too many rows. */
const READ_MS: Record<Table, number> = { minly_aggs: 30 * 60_000, hourly_aggs: 25 * 3_600_000 }
const MOST_READ_ROWS = 100_000
/** Of each table, in numbers of eight bytes: about 32 MB. */
const MOST_NUMBERS = 4_000_000

const load = async (connection: DuckDBConnection, table: Table, now: number): Promise<SliceMemory> => {
  const from = now - READ_MS[table]
  const [[rows, newest]] = (await connection.runAndReadAll(newestSql(table), [from])).getRows() as [number, number][]
  if (rows > MOST_READ_ROWS) return new SliceMemory(newest, MOST_NUMBERS)
  const memory = new SliceMemory(from, MOST_NUMBERS)
  for (const row of (await connection.runAndReadAll(mergedSql(after(table)), [from])).getRows()) {
    const { revision, ...slice } = toSlice(row)
    memory.add({ ...slice, revisions: revision })
  }
  return memory
}

const ask = async (
  connection: DuckDBConnection,
  spool: Spool,
  table: Table,
  rows: readonly MergedDelta[],
): Promise<StoredSlice[]> => {
  const starts = rows.map(({ start }) => start).sort((a, b) => a - b)
  const lines = rows.map(({ tenant, metric, version, size, start, dims }) =>
    rowJson({ ...{ tenant, metric, version, size, start }, dims }),
  )
  const range = [starts[0], starts[starts.length - 1]]
  const sql = (wanted: string): string => wantedSql(table, wanted)
  const found = await withRows(connection, spool, lines, SLICE_COLUMNS, sql, range)
  return (await found.getRows()).map(toSlice)
}

/** Rows that the retention drops are remembered for no longer than this. */
const REMEMBERED_MS = 86_400_000

export const createStoredSlices = (connection: DuckDBConnection, spool: Spool, now: () => number): StoredSlices => {
  let memories = new Map<Table, { memory: SliceMemory; until: number }>()

  const memoryOf = async (table: Table): Promise<SliceMemory> => {
    const known = memories.get(table)
    if (known && known.until > now()) return known.memory
    const memory = await load(connection, table, now())
    memories.set(table, { memory, until: now() + REMEMBERED_MS })
    return memory
  }

  return {
    async find(rows) {
      const found: StoredSlice[] = []
      for (const table of AGGREGATE_TABLES) {
        const own = rows.filter(({ size }) => aggTable(size) === table)
        if (own.length === 0) continue
        const memory = await memoryOf(table)
        const others = own.filter(({ start }) => !memory.knows(start))
        found.push(...own.flatMap((row) => memory.find(row) ?? []))
        if (others.length > 0) found.push(...(await ask(connection, spool, table, others)))
      }
      return new Map(found.map((row) => [sliceKey(row), row]))
    },
    added(rows) {
      for (const row of rows) memories.get(aggTable(row.size))?.memory.add(row)
    },
    forget() {
      memories = new Map()
    },
  }
}
