import { type EventLine, fieldReader } from './event.ts'
import { type Measure, type Measured, measureOf } from './measures.ts'
import { type Condition, type MeasureSpec, type MetricDefinition, sliceSizes } from './metric.ts'
import { ScannedLine } from './scan/scanned-line.ts'
import { shortText } from './short-text.ts'
import { compareText } from './text-order.ts'

/** A definition as closures: an event costs what its metrics read, nothing else. */
export interface CompiledMetric {
  definition: MetricDefinition
  sizes: number[]
  measure: Measure
  matches(line: EventLine): boolean
  /** What is measured, as its measure reads it; undefined where there is nothing. */
  read(line: EventLine): Measured
  /** Puts the dimensions' values into a list, and answers it; without one it makes a new list. */
  dims(line: EventLine, into?: (string | null)[]): (string | null)[]
}

const compare = (a: unknown, b: unknown): number | undefined => {
  if (typeof a === 'number' && typeof b === 'number') return a - b
  if (typeof a === 'string' && typeof b === 'string') return compareText(a, b)
  return undefined
}

const equal = (a: unknown, b: unknown): boolean => a === b

/** What a condition says of a value. Values of different types are never equal and never ordered. */
const conditionTest = ({ op, value: wanted }: Condition): ((value: unknown) => boolean) => {
  const ordered = (test: (order: number) => boolean) => (value: unknown) => {
    const order = compare(value, wanted)
    return order !== undefined && test(order)
  }
  switch (op) {
    case 'EQ':
      return (value) => equal(value, wanted)
    case 'NE':
      return (value) => !equal(value, wanted)
    case 'LT':
      return ordered((order) => order < 0)
    case 'LE':
      return ordered((order) => order <= 0)
    case 'GT':
      return ordered((order) => order > 0)
    case 'GE':
      return ordered((order) => order >= 0)
    case 'IN':
      return (value) => Array.isArray(wanted) && wanted.some((one) => equal(value, one))
    case 'CONTAINS':
      return (value) =>
        (typeof value === 'string' && typeof wanted === 'string' && value.includes(wanted)) ||
        (Array.isArray(value) && value.some((one) => equal(one, wanted)))
    case 'EXISTS':
      return (value) => (value !== undefined && value !== null) === (wanted !== false)
  }
}

/** Compiles dimensions to a reader of their values: see CompiledMetric.dims. */
export const dimensionsReader = (fields: readonly string[]): CompiledMetric['dims'] => {
  const readers = fields.map(fieldReader)
  return (line, into = []) => {
    for (let i = 0; i < readers.length; i++) into[i] = shortText(readers[i](line))
    return into
  }
}

/** One closure for all conditions: most metrics have none or one. */
const conjunction = (conditions: readonly ((line: EventLine) => boolean)[]): ((line: EventLine) => boolean) => {
  if (conditions.length === 0) return () => true
  if (conditions.length === 1) return conditions[0]
  return (line) => conditions.every((condition) => condition(line))
}

const measuredReader = ({ kind, field }: MeasureSpec, measure: Measure): CompiledMetric['read'] => {
  if (field === undefined) return () => measure.read(undefined)
  const read = fieldReader(field)
  // Users are what is mostly counted so: their ids need not become texts.
  if (kind === 'UNIQUES' && field === 'user') {
    return (line) => (line instanceof ScannedLine ? line.userHash : measure.read(read(line)))
  }
  return (line) => measure.read(read(line))
}

/** Whether all conditions hold of an event. Their fields are known to be such (isField). */
export const compileWhere = (where: readonly Condition[]): ((line: EventLine) => boolean) =>
  conjunction(
    where.map((condition) => {
      const read = fieldReader(condition.field)
      const test = conditionTest(condition)
      return (line: EventLine) => test(read(line))
    }),
  )

export const compileMetric = (definition: MetricDefinition): CompiledMetric => {
  const measure = measureOf(definition.measure)
  return {
    definition,
    sizes: sliceSizes(definition),
    measure,
    matches: compileWhere(definition.where),
    read: measuredReader(definition.measure, measure),
    dims: dimensionsReader(definition.dimensions),
  }
}
