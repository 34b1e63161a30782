import { compileMetric } from './compile-metric.ts'
import type { EventLine } from './event.ts'
import { type MetricDefinition, sliceStart, type WindowSpec } from './metric.ts'
import { formatDuration, formatTime } from './time.ts'

/** `PT1M 2026-05-01T12:00:00.000Z`; of sliding ones the first and the last that hold the event. */
const windowName = (window: WindowSpec, time: number): string => {
  if (window.kind === 'SESSION') return `session ${formatDuration(window.gapMs)}`
  const size = formatDuration(window.sizeMs)
  if (window.kind === 'TUMBLING') return `${size} ${formatTime(sliceStart(time, window.sizeMs))}`
  const last = sliceStart(time, window.slideMs)
  const first = sliceStart(time - window.sizeMs, window.slideMs) + window.slideMs
  return `${size}/${formatDuration(window.slideMs)} ${formatTime(first)} to ${formatTime(last)}`
}

/** Windows that an event counts in by these definitions: `page_views PT1M 2026-05-01T12:00:00.000Z`, by name. */
export const windowNames = (definitions: readonly MetricDefinition[], line: EventLine): string[] =>
  definitions
    .filter(({ event }) => event === '*' || event === line.e.name)
    .filter((definition) => compileMetric(definition).matches(line))
    .flatMap(({ name, windows }) => windows.map((window) => `${name} ${windowName(window, line.time)}`))
    .sort()
