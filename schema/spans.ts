import {
  type Attributes,
  ProxyTracerProvider,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  type SpanOptions,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api'
import { logStream } from './subjects.ts'
import type { TraceBatch } from './trace.ts'

/** Makes no spans. Places in traces of clients travel on all the same. */
export const NO_TRACER: Tracer = new ProxyTracerProvider().getTracer('millrace')

/** A span that is the child of `parent`; without one the tracer decides whether it begins a trace. */
export const startSpan = (tracer: Tracer, name: string, parent: SpanContext | undefined, options: SpanOptions): Span =>
  tracer.startSpan(name, options, parent ? trace.setSpanContext(ROOT_CONTEXT, parent) : ROOT_CONTEXT)

/**
 * The span of a batch: child of the first sampled trace in it, linked to the others. Undefined when nothing of the batch is
 * traced. When nothing is sampled the place of the first goes on as it is, and `options` is not asked.
 */
export const startBatchSpan = (
  tracer: Tracer,
  name: string,
  batch: TraceBatch | undefined,
  options: () => SpanOptions,
): Span | undefined => {
  if (!batch?.parent) return undefined
  if (!batch.isSampled) return trace.wrapSpanContext(batch.parent)
  const { attributes, links = batch.links, ...rest } = options()
  const leftOut = batch.leftOut > 0 ? { 'millrace.links_left_out': batch.leftOut } : {}
  return startSpan(tracer, name, batch.parent, { ...rest, links, attributes: { ...attributes, ...leftOut } })
}

/** Ends the span of something that failed. `type` is one of few: an error's name, a status. */
export const failSpan = (span: Span | undefined, type: string, message?: string): void => {
  span?.setStatus({ code: SpanStatusCode.ERROR, message })
  span?.setAttribute('error.type', type)
  span?.end()
}

/** Runs `task` and ends the span with it. */
export const inSpan = async <T>(span: Span | undefined, task: () => Promise<T>): Promise<T> => {
  try {
    const result = await task()
    span?.end()
    return result
  } catch (error) {
    if (error instanceof Error) failSpan(span, error.name, error.message)
    else failSpan(span, '_OTHER', String(error))
    throw error
  }
}

/**
 * OpenTelemetry's conventions for messaging. They speak of messages: here these are the events, and a frame or a
 * checkpoint is a batch of them. `messaging.system` was renamed; back ends of before know the old name only.
 */
export const messagingAttributes = (
  operation: 'send' | 'process',
  partition: number,
  client: string,
  events: number,
): Attributes => ({
  'messaging.system': 'nats',
  'messaging.system.name': 'nats',
  'messaging.operation.name': operation,
  'messaging.operation.type': operation,
  'messaging.destination.name': logStream(partition),
  'messaging.destination.partition.id': String(partition),
  'messaging.client.id': client,
  'messaging.batch.message_count': events,
})
