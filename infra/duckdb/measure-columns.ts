import { DuckDBListValue, type DuckDBStructValue } from '@duckdb/node-api'
import { type MeasureJson, stateFromJson, stateToJson } from '#schema/measures.ts'
import type { MeasureKind } from '#schema/metric.ts'

interface MeasureColumn {
  /** In tables. */
  type: string
  /** What stands in a row without the field. */
  empty: '0' | 'NULL'
  /** Not there in stores from before it. */
  isNewer?: true
  /** As it stands in JSON, and how it comes from there into the table; like the column when absent. */
  json?: { type: string; sql: string }
  /** Merged state of a group of rows. fsum: the order of the rows must not show. */
  merged: string
  /** Of lists of changes that are merged one behind the other: what they add up to. */
  added?: string
}

const EXACT = `exact_sum(list({'sum': "sum", 'comp': coalesce(comp, 0)}) FILTER ("sum" <> 0 OR comp <> 0))`
const lists = (field: string): string => `flatten(list(${field}) FILTER (${field} IS NOT NULL))`

/** A measure's state, field by field: the same columns in every table that holds one. */
const COLUMNS: Record<keyof MeasureJson, MeasureColumn> = {
  n: { type: 'DOUBLE', empty: '0', merged: 'fsum(n)' },
  shed: { type: 'DOUBLE', empty: '0', isNewer: true, merged: 'coalesce(fsum(shed), 0)' },
  sum: { type: 'DOUBLE', empty: '0', merged: `coalesce(${EXACT}.sum, 0)` },
  comp: { type: 'DOUBLE', empty: '0', isNewer: true, merged: `coalesce(${EXACT}.comp, 0)` },
  min: { type: 'DOUBLE', empty: 'NULL', merged: 'min("min")' },
  max: { type: 'DOUBLE', empty: 'NULL', merged: 'max("max")' },
  members: { type: 'BIGINT[]', empty: 'NULL', merged: `list_sort(list_distinct(${lists('members')}))` },
  registers: {
    type: 'INTEGER[]',
    empty: 'NULL',
    isNewer: true,
    merged: lists('registers'),
    added: 'highest_registers(registers)',
  },
  buckets: {
    type: 'STRUCT(bucket INTEGER, weight DOUBLE)[]',
    empty: 'NULL',
    isNewer: true,
    json: {
      type: 'DOUBLE[][]',
      sql: `list_transform(buckets, lambda one : {'bucket': one[1]::INTEGER, 'weight': one[2]})`,
    },
    merged: lists('buckets'),
    added: 'added_buckets(buckets)',
  },
  items: {
    type: 'STRUCT("value" VARCHAR, "count" DOUBLE)[]',
    empty: 'NULL',
    isNewer: true,
    json: {
      type: 'VARCHAR[][]',
      sql: `list_transform(items, lambda one : {'value': one[1], 'count': one[2]::DOUBLE})`,
    },
    merged: lists('items'),
    added: 'added_items(items)',
  },
  error: { type: 'DOUBLE', empty: '0', isNewer: true, merged: 'coalesce(fsum(error), 0)' },
}

export type Field = keyof MeasureJson

export const FIELDS = Object.keys(COLUMNS) as Field[]

const COUNTED: readonly Field[] = ['n', 'shed']
/** What a measure of a kind keeps; the other columns of its rows are empty. */
const KEPT: Record<MeasureKind, readonly Field[]> = {
  COUNT: COUNTED,
  SUM: [...COUNTED, 'sum', 'comp'],
  AVG: [...COUNTED, 'sum', 'comp'],
  MIN: [...COUNTED, 'min', 'max'],
  MAX: [...COUNTED, 'min', 'max'],
  UNIQUES: [...COUNTED, 'members', 'registers'],
  QUANTILES: [...COUNTED, 'min', 'max', 'buckets'],
  TOPK: [...COUNTED, 'items', 'error'],
}
/** Columns in which a measure of this kind has something; without a kind all of them. */
export const fieldsOf = (kind: MeasureKind | undefined): readonly Field[] => (kind ? KEPT[kind] : FIELDS)

const each = (text: (field: keyof MeasureJson, column: MeasureColumn) => string): string =>
  FIELDS.map((field) => text(field, COLUMNS[field])).join(', ')

/** Of CREATE TABLE. */
export const MEASURE_DDL = each(
  (field, { type, empty, isNewer }) => `"${field}" ${type}${empty === 'NULL' || isNewer ? '' : ' NOT NULL'}`,
)

/** Adds the columns that a table of an older store does not have. */
export const newerColumns = (table: string): string[] =>
  FIELDS.filter((field) => COLUMNS[field].isNewer).map(
    (field) => `ALTER TABLE ${table} ADD COLUMN IF NOT EXISTS "${field}" ${COLUMNS[field].type}`,
  )

/** Types of the fields as they stand in JSON, where those that are empty are absent. */
export const MEASURE_TYPES = Object.fromEntries(
  FIELDS.map((field) => [field, COLUMNS[field].json?.type ?? COLUMNS[field].type]),
)

/** Of SELECT: from the fields of JSON to the columns. */
export const MEASURE_FROM_JSON = each((field, { empty, json }) => {
  const sql = json?.sql ?? `"${field}"`
  return empty === 'NULL' ? `${sql} AS "${field}"` : `coalesce(${sql}, ${empty}) AS "${field}"`
})

/** By column: how groups of rows merge. Lists of changes stand one behind the other. */
export const MERGED_MEASURE = Object.fromEntries(FIELDS.map((field) => [field, COLUMNS[field].merged])) as Record<
  Field,
  string
>

/** Statements that let merged rows say the same in the shortest way. */
export const shortened = (table: string): string[] => [
  `UPDATE ${table} SET "sum" = "sum" + comp, comp = lost_by_adding("sum", comp) WHERE comp <> 0`,
  ...FIELDS.flatMap((field) => {
    const { added } = COLUMNS[field]
    return added ? `UPDATE ${table} SET "${field}" = ${added} WHERE "${field}" IS NOT NULL` : []
  }),
]

/** Of SELECT: columns for measureJson. Integers as doubles: exact up to 2^53, and no bigint in JavaScript. */
export const measureValues = (fields: readonly Field[]): string =>
  fields.map((field) => `"${field}"::${COLUMNS[field].type.replace('BIGINT', 'DOUBLE')}`).join(', ')
export const MEASURE_VALUES = measureValues(FIELDS)

const isEmpty = (field: keyof MeasureJson, value: unknown): boolean =>
  value === null || (value === 0 && COLUMNS[field].empty === '0')

/** Lists of structs become lists of pairs. */
const toJson = (value: unknown): unknown => {
  if (!(value instanceof DuckDBListValue)) return value
  return value.items.map((item) =>
    typeof item === 'object' ? Object.values((item as DuckDBStructValue).entries) : item,
  )
}

/** From the values of these fields, in their order. Lists of changes become what they add up to. */
export const measureJson = (values: readonly unknown[], fields: readonly Field[] = FIELDS): MeasureJson => {
  const json: Partial<Record<Field, unknown>> = {}
  let isCount = true
  for (const [i, field] of fields.entries()) {
    if (isEmpty(field, values[i])) continue
    json[field] = toJson(values[i])
    isCount &&= COUNTED.includes(field)
  }
  // Counts add up to themselves.
  return isCount ? (json as MeasureJson) : stateToJson(stateFromJson(json as MeasureJson))
}
