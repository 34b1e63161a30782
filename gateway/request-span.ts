import type { IncomingMessage, ServerResponse } from 'node:http'
import { isSpanContextValid, type Span, type SpanContext, SpanKind, type Tracer } from '@opentelemetry/api'
import { failSpan, startSpan } from '#schema/spans.ts'
import { readTrace } from '#schema/trace.ts'

const places = new WeakMap<IncomingMessage, SpanContext>()

const said = ({ headers: { traceparent, tracestate } }: IncomingMessage): SpanContext | undefined =>
  readTrace({
    traceparent: typeof traceparent === 'string' ? traceparent : undefined,
    tracestate: typeof tracestate === 'string' ? tracestate : undefined,
  })

/** Where a request stands in a trace: its own span, or what the client said when it has none. */
export const traceOf = (request: IncomingMessage): SpanContext | undefined => places.get(request) ?? said(request)

const end = (span: Span, { statusCode, writableFinished }: ServerResponse): void => {
  if (writableFinished) span.setAttribute('http.response.status_code', statusCode)
  if (!writableFinished) failSpan(span, 'client_gone', 'the client left before it had the answer')
  else if (statusCode >= 500) failSpan(span, String(statusCode))
  else span.end()
}

/**
 * The server span of a request, child of the client's when that said so. Only the path is told: the query may hold a key.
 */
export const traceRequest = (
  tracer: Tracer,
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
): void => {
  const method = request.method ?? 'GET'
  const span = startSpan(tracer, `${method} ${path}`, said(request), { kind: SpanKind.SERVER })
  if (isSpanContextValid(span.spanContext())) places.set(request, span.spanContext())
  if (!span.isRecording()) return
  span.setAttributes({
    'http.request.method': method,
    'http.route': path,
    'url.path': path,
    'url.scheme': 'http',
    'network.protocol.version': request.httpVersion,
  })
  response.once('close', () => end(span, response))
}
