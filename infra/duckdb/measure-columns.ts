import { DuckDBListValue, type DuckDBStructValue } from '@duckdb/node-api'
import { type MeasureJson, stateFromJson, stateToJson } from '#schema/measures.ts'

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

const FIELDS = Object.keys(COLUMNS) as (keyof MeasureJson)[]
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
  keyof MeasureJson,
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
export const MEASURE_VALUES = each((field, { type }) => `"${field}"::${type.replace('BIGINT', 'DOUBLE')}`)

const isEmpty = (field: keyof MeasureJson, value: unknown): boolean =>
  value === null || (value === 0 && COLUMNS[field].empty === '0')

/** Lists of structs become lists of pairs. */
const toJson = (value: unknown): unknown => {
  if (!(value instanceof DuckDBListValue)) return value
  return value.items.map((item) =>
    typeof item === 'object' ? Object.values((item as DuckDBStructValue).entries) : item,
  )
}

/** From the values of MEASURE_VALUES, in their order. Lists of changes become what they add up to. */
export const measureJson = (values: readonly unknown[]): MeasureJson => {
  const present = FIELDS.map((field, i) => [field, values[i]] as const).filter(
    ([field, value]) => !isEmpty(field, value),
  )
  return stateToJson(stateFromJson(Object.fromEntries(present.map(([field, value]) => [field, toJson(value)]))))
}
