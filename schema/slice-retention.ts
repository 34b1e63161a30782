import { liveRetention } from './limits.ts'
import { type MetricDefinition, sliceOf } from './metric.ts'

/**
 * How long slices of this size stay in KV and in live views after their last change and their end, milliseconds: as long
 * as their size says, and until then counted from the end of the longest window of the definition that is made of them.
 * A window is answered wholly by the live view or wholly by the store, so the first slice of a day has to stay until the
 * day may leave. Processors and live views must go by the same rule. Windows that are only composed by readers, without
 * being defined, have their slices no longer for it.
 */
export const sliceRetention = (definition: Pick<MetricDefinition, 'windows'> | undefined, sliceMs: number): number => {
  let longest = sliceMs
  for (const window of definition?.windows ?? []) {
    if (window.kind !== 'SESSION' && sliceOf(window) === sliceMs) longest = Math.max(longest, window.sizeMs)
  }
  return liveRetention(sliceMs) + longest - sliceMs
}
