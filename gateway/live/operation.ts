import { MillraceError } from '#schema/errors.ts'
import { type MetricDefinition, sliceSizes, type WindowSpec } from '#schema/metric.ts'
import { formatDuration } from '#schema/time.ts'
import { type OperationBase, resolveBase, type Selection } from './selection.ts'
import { resolveSessions, type SessionOperation } from './session-operation.ts'

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
export type Operation = SliceOperation | SessionOperation

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

/** Throws WINDOW_NOT_DEFINED, FIELD_NOT_A_DIMENSION or BAD_INPUT with what can be asked instead. */
export const resolveOperation = (tenant: string, definition: MetricDefinition, selection: Selection): Operation => {
  const { window } = selection
  if (window.kind === 'SESSION') return resolveSessions(tenant, definition, selection, window.gapMs)
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
