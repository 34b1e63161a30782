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
  /** Each series is a group of its own, with its own dimensions: nothing is filtered, left out or put in another order. */
  everySeries: boolean
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

type TumblingOrSliding = Exclude<WindowSpec, { kind: 'SESSION' }>

const slideOf = (window: TumblingOrSliding): number => (window.kind === 'SLIDING' ? window.slideMs : window.sizeMs)

const windowText = (window: WindowSpec): string => {
  if (window.kind === 'SESSION') return `sessions with a gap of ${formatDuration(window.gapMs)}`
  const size = formatDuration(window.sizeMs)
  return window.kind === 'TUMBLING' ? size : `${size} sliding by ${formatDuration(window.slideMs)}`
}

const notDefined = (definition: MetricDefinition, window: WindowSpec): MillraceError => {
  const windows = definition.windows.map(windowText)
  const slices = sliceSizes(definition).map(formatDuration)
  const composed =
    slices.length > 0
      ? `Ask for one of these, or for a size and a slide that are whole multiples of ${slices.join(' or of ')} ` +
        `(a size of at most ${MAX_SLICES} times that), or define`
      : 'Ask for one of these, or define'
  return new MillraceError(
    'WINDOW_NOT_DEFINED',
    `metric ${definition.name} has no window of ${windowText(window)}; it has ${windows.join(', ')}. ` +
      `${composed} the metric with this window`,
    { metric: definition.name, windows, slices },
  )
}

/** The longest of the metric's slices of which a window can be made. */
const sliceFor = (definition: MetricDefinition, window: TumblingOrSliding): number => {
  const { sizeMs } = window
  const slideMs = slideOf(window)
  const fitting = sliceSizes(definition).filter(
    (slice) => sizeMs % slice === 0 && slideMs % slice === 0 && sizeMs / slice <= MAX_SLICES,
  )
  if (sizeMs > 0 && slideMs > 0 && fitting.length > 0) return Math.max(...fitting)
  throw notDefined(definition, window)
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

/** Throws WINDOW_NOT_DEFINED, FIELD_NOT_A_DIMENSION or BAD_INPUT with what can be asked instead. */
export const resolveOperation = (tenant: string, definition: MetricDefinition, selection: Selection): Operation => {
  const { window } = selection
  if (window.kind === 'SESSION') throw new MillraceError('BAD_INPUT', 'window: ask for a tumbling or a sliding one')
  const { sizeMs } = window
  const slideMs = slideOf(window)
  if (slideMs > sizeMs)
    throw new MillraceError(
      'BAD_INPUT',
      'window: slide is longer than size, so events between two windows would be in none',
    )
  const sliceMs = sliceFor(definition, window)
  // A window that slides by its own size is a tumbling one.
  const base = resolveBase(tenant, definition, selection, slideMs === sizeMs ? sizeMs : [sizeMs, slideMs])
  return { kind: 'SLICES', ...base, sizeMs, slideMs, sliceMs }
}
