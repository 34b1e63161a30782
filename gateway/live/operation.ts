import { MillraceError } from '#schema/errors.ts'
import { type Measure, measureOf } from '#schema/measures.ts'
import type { Condition, MetricDefinition, WindowSpec } from '#schema/metric.ts'
import { sliceSizes } from '#schema/metric.ts'
import { formatDuration } from '#schema/time.ts'
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
  /** The same for equal operations of one tenant, whatever the metric's version. */
  key: string
}

/** Of tumbling and sliding windows: sums of slices. */
export interface SliceOperation extends OperationBase {
  kind: 'SLICES'
  /** Length of a window, milliseconds. */
  sizeMs: number
  /** From the start of one window to that of the next; sizeMs for tumbling ones. */
  slideMs: number
  /** Size of the slices that windows are made of; a divisor of sizeMs and of slideMs. */
  sliceMs: number
}

/** What is done with it depends on the kind: see createReading. */
export type Operation = SliceOperation

/** Slices that one composed window may have. */
const MAX_SLICES = 1_440

const sliceFor = (definition: MetricDefinition, sizeMs: number, slideMs: number): number => {
  const sizes = sliceSizes(definition)
  const fitting = sizes.filter((size) => sizeMs % size === 0 && slideMs % size === 0 && sizeMs / size <= MAX_SLICES)
  if (sizeMs > 0 && slideMs > 0 && fitting.length > 0) return Math.max(...fitting)
  const defined = sizes.map(formatDuration).join(', ')
  throw new MillraceError(
    'WINDOW_NOT_DEFINED',
    `metric ${definition.name} has no window of ${formatDuration(sizeMs)}; it has ${defined}. ` +
      `Ask for one of these or a whole multiple of one (up to ${MAX_SLICES} times), or define the metric with this window`,
    { metric: definition.name, windows: sizes.map(formatDuration) },
  )
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
const resolveBase = (
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

/** Throws WINDOW_NOT_DEFINED, FIELD_NOT_A_DIMENSION or BAD_INPUT with what can be asked instead. */
export const resolveOperation = (tenant: string, definition: MetricDefinition, selection: Selection): Operation => {
  const { window } = selection
  if (window.kind !== 'TUMBLING') throw new MillraceError('BAD_INPUT', 'window: ask for a tumbling one')
  const { sizeMs } = window
  const sliceMs = sliceFor(definition, sizeMs, sizeMs)
  return { kind: 'SLICES', ...resolveBase(tenant, definition, selection, sizeMs), sizeMs, slideMs: sizeMs, sliceMs }
}
