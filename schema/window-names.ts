import { compileMetric } from './compile-metric.ts'
import type { EventLine } from './event.ts'
import { type MetricDefinition, sliceStart } from './metric.ts'
import { formatDuration, formatTime } from './time.ts'

/** Windows that an event counts in by these definitions: `page_views PT1M 2026-05-01T12:00:00.000Z`, by name. */
export const windowNames = (definitions: readonly MetricDefinition[], line: EventLine): string[] =>
  definitions
    .filter(({ event }) => event === '*' || event === line.e.name)
    .filter((definition) => compileMetric(definition).matches(line))
    .flatMap(({ name, windows }) =>
      windows.map(({ sizeMs }) => `${name} ${formatDuration(sizeMs)} ${formatTime(sliceStart(line.time, sizeMs))}`),
    )
    .sort()
