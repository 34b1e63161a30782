import type { Tracer } from '@opentelemetry/api'
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'

/** A tracer of the real SDK whose spans stay in memory. */
export const createMemoryTracer = (): { tracer: Tracer; spans(): ReadableSpan[] } => {
  const exporter = new InMemorySpanExporter()
  const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] })
  return { tracer: provider.getTracer('test'), spans: () => exporter.getFinishedSpans() }
}
