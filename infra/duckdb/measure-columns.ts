import { DuckDBListValue } from '@duckdb/node-api'
import type { MeasureJson } from '#schema/measures.ts'

interface MeasureColumn {
  /** In tables. */
  type: string
  /** What stands in a row without the field. */
  empty: '0' | 'NULL'
  /** Merged state of a group of rows. fsum: the order of the rows must not show. */
  merged: string
}

/** A measure's state, field by field: the same columns in every table that holds one. */
const COLUMNS: Record<keyof MeasureJson, MeasureColumn> = {
  n: { type: 'DOUBLE', empty: '0', merged: 'fsum(n)' },
  sum: { type: 'DOUBLE', empty: '0', merged: 'fsum("sum")' },
  min: { type: 'DOUBLE', empty: 'NULL', merged: 'min("min")' },
  max: { type: 'DOUBLE', empty: 'NULL', merged: 'max("max")' },
  members: {
    type: 'BIGINT[]',
    empty: 'NULL',
    merged: 'list_sort(list_distinct(flatten(list(members) FILTER (members IS NOT NULL))))',
  },
}

const FIELDS = Object.keys(COLUMNS) as (keyof MeasureJson)[]
const each = (text: (field: keyof MeasureJson, column: MeasureColumn) => string): string =>
  FIELDS.map((field) => text(field, COLUMNS[field])).join(', ')

/** Of CREATE TABLE. */
export const MEASURE_DDL = each((field, { type, empty }) => `"${field}" ${type}${empty === 'NULL' ? '' : ' NOT NULL'}`)

/** Types of the fields as they stand in JSON, where those that are empty are absent. */
export const MEASURE_TYPES = Object.fromEntries(FIELDS.map((field) => [field, COLUMNS[field].type]))

/** Of SELECT: from the fields of JSON to the columns. */
export const MEASURE_FROM_JSON = each((field, { empty }) =>
  empty === 'NULL' ? `"${field}"` : `coalesce("${field}", ${empty}) AS "${field}"`,
)

/** By column: how groups of rows merge. */
export const MERGED_MEASURE = Object.fromEntries(FIELDS.map((field) => [field, COLUMNS[field].merged])) as Record<
  keyof MeasureJson,
  string
>

/** Of SELECT: columns, or what `sqlOf` makes of them, for measureJson. */
export const measureValues = (sqlOf: (field: keyof MeasureJson) => string = (field) => `"${field}"`): string =>
  // Integers as doubles: exact up to 2^53, and no bigint in JavaScript.
  each((field, { type }) => `${sqlOf(field)}::${type.replace('BIGINT', 'DOUBLE')}`)

const isEmpty = (field: keyof MeasureJson, value: unknown): boolean =>
  value === null || (value === 0 && COLUMNS[field].empty === '0')

/** From the values of measureValues, in their order. */
export const measureJson = (values: readonly unknown[]): MeasureJson => {
  const present = FIELDS.map((field, i) => [field, values[i]] as const).filter(
    ([field, value]) => !isEmpty(field, value),
  )
  return Object.fromEntries(
    present.map(([field, value]) => [field, value instanceof DuckDBListValue ? [...value.items] : value]),
  )
}

/** The measure's value, as schema/measures.ts computes it; `measure` is the column that names it. */
export const MEASURE_VALUE = `
  CASE measure
    WHEN 'COUNT' THEN n
    WHEN 'UNIQUES' THEN coalesce(len(members), 0)::DOUBLE
    ELSE CASE WHEN n = 0 THEN NULL ELSE
      CASE measure WHEN 'SUM' THEN "sum" WHEN 'AVG' THEN "sum" / n WHEN 'MIN' THEN "min" WHEN 'MAX' THEN "max" END
    END
  END`
