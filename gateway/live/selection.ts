import { MillraceError } from '#schema/errors.ts'
import { type Measure, measureOf } from '#schema/measures.ts'
import type { Condition, MetricDefinition, WindowSpec } from '#schema/metric.ts'
import { dimensionTest } from './conditions.ts'

/** What a reader asks of a metric, apart from the time range. */
export interface Selection {
  window: WindowSpec
  /** Dimensions to group by; all of the metric's when absent. */
  by?: readonly string[]
  where?: readonly Condition[]
}

/** A selection, checked against the metric's definition and compiled; the same for every kind of window. */
export interface OperationBase {
  tenant: string
  metric: string
  version: number
  measure: Measure
  /** Group of a series: its values of the dimensions in `by`, in that order. */
  groupOf(dims: readonly (string | null)[]): (string | null)[]
  matches(dims: readonly (string | null)[]): boolean
  /** Each series is a group of its own, with its own dimensions: nothing is filtered, left out or put in another order. */
  everySeries: boolean
  /** The same for equal operations of one tenant, whatever the metric's version. */
  key: string
}

const dimensionIndex = (definition: MetricDefinition, field: string): number => {
  const index = definition.dimensions.indexOf(field)
  if (index >= 0) return index
  const possible = definition.dimensions.length > 0 ? definition.dimensions.join(', ') : 'none'
  throw new MillraceError(
    'FIELD_NOT_A_DIMENSION',
    `${field} is not a dimension of metric ${definition.name}; its dimensions are: ${possible}. ` +
      'Use one of these in by and where, or define a metric with this dimension',
    { metric: definition.name, field, dimensions: definition.dimensions },
  )
}

/** `windowKey`: what tells the windows of equal selections apart. */
export const resolveBase = (
  tenant: string,
  definition: MetricDefinition,
  selection: Selection,
  windowKey: unknown,
): OperationBase => {
  const { where = [] } = selection
  const by = selection.by ?? definition.dimensions
  if (new Set(by).size !== by.length) throw new MillraceError('BAD_INPUT', 'by names a dimension twice; name each once')
  const indexes = by.map((field) => dimensionIndex(definition, field))
  const tests = where.map((condition) => {
    const index = dimensionIndex(definition, condition.field)
    const test = dimensionTest(condition)
    return (dims: readonly (string | null)[]): boolean => test(dims[index])
  })
  return {
    tenant,
    metric: definition.name,
    version: definition.version,
    measure: measureOf(definition.measure),
    groupOf: (dims) => indexes.map((index) => dims[index]),
    everySeries:
      where.length === 0 && by.length === definition.dimensions.length && indexes.every((index, i) => index === i),
    matches: (dims) => tests.every((test) => test(dims)),
    key: JSON.stringify([
      tenant,
      definition.name,
      windowKey,
      // As it was asked for: without `by` it stays the same question when the metric gets other dimensions.
      selection.by ?? null,
      where.map(({ field, op, value }) => [field, op, value]),
    ]),
  }
}
