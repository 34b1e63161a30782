import { type Span, SpanKind, type Tracer } from '@opentelemetry/api'
import { startBatchSpan } from '#schema/spans.ts'
import { readTrace, TraceBatch, type TraceHeaders } from '#schema/trace.ts'
import type { OlapPart } from '../ports.ts'

export interface StoreSpans {
  /** A checkpoint of this place waits for the next write. */
  read(headers: TraceHeaders): void
  /** The span of a write, which takes all that waits. */
  start(parts: readonly OlapPart[], events: number): Span | undefined
}

/** Spans of writes to the OLAP store, one a transaction, repetitions included. `system` is the store's name. */
export const createStoreSpans = (tracer: Tracer, system: string): StoreSpans => {
  let traces: TraceBatch | undefined
  return {
    read(headers) {
      const place = readTrace(headers)
      if (!place) return
      traces ??= new TraceBatch()
      traces.add(place)
    },
    start(parts, events) {
      const batch = traces
      traces = undefined
      return startBatchSpan(tracer, 'store', batch, () => ({
        kind: SpanKind.CLIENT,
        attributes: {
          'db.system.name': system,
          'db.operation.name': 'store',
          'db.operation.batch.size': events,
          'millrace.partitions': parts.map(({ partition }) => partition),
          'millrace.checkpoints': parts.reduce((sum, { after, checkpoint }) => sum + checkpoint - after, 0),
        },
      }))
    },
  }
}
