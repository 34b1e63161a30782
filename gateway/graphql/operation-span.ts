import { SpanKind, type Tracer } from '@opentelemetry/api'
import { inSpan, startSpan } from '#schema/spans.ts'
import type { RequestOrigin } from './context.ts'

interface Started {
  type: string
  name?: string | null
  origin: RequestOrigin
}

/**
 * Runs a query or a mutation that came over a WebSocket within a server span: there is no HTTP request for it. From then
 * on its origin stands there in the trace.
 */
export const inOperationSpan = <T>(
  tracer: Tracer,
  { type, name, origin }: Started,
  task: () => Promise<T> | T,
): Promise<T> => {
  const span = startSpan(tracer, type, origin.trace, {
    kind: SpanKind.SERVER,
    attributes: {
      'graphql.operation.type': type,
      ...(name ? { 'graphql.operation.name': name } : {}),
    },
  })
  origin.trace = span.spanContext()
  return inSpan(span, async () => task())
}
