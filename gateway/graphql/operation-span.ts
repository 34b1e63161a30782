import { SpanKind, type Tracer } from '@opentelemetry/api'
import { type DocumentNode, getOperationAST } from 'graphql'
import { inSpan, startSpan } from '#schema/spans.ts'
import type { RequestOrigin } from './context.ts'

interface Operation {
  document: DocumentNode
  operationName?: string | null
  origin: RequestOrigin
}

/**
 * Runs a query or a mutation that came over a WebSocket within a server span: there is no HTTP request for it. From then
 * on its origin stands there in the trace.
 */
export const inOperationSpan = <T>(
  tracer: Tracer,
  { document, operationName, origin }: Operation,
  task: () => Promise<T> | T,
): Promise<T> => {
  const type = getOperationAST(document, operationName)?.operation ?? 'query'
  const span = startSpan(tracer, type, origin.trace, {
    kind: SpanKind.SERVER,
    attributes: {
      'graphql.operation.type': type,
      ...(operationName ? { 'graphql.operation.name': operationName } : {}),
    },
  })
  origin.trace = span.spanContext()
  return inSpan(span, async () => task())
}
