import { type Span, SpanKind, type Tracer } from '@opentelemetry/api'
import { startSpan } from '#schema/spans.ts'

/** What an answer holds of a topic. */
export type Delivered = [topic: string, records: number, bytes: number]

/**
 * The span of an answer with records: from the moment in which they were looked for, not from the request, which may have
 * waited for them. Clients of Kafka send no place in a trace, so the tracer decides.
 */
export const startFetchSpan = (tracer: Tracer, startTime: number, delivered: readonly Delivered[]): Span =>
  startSpan(tracer, 'Fetch', undefined, {
    kind: SpanKind.SERVER,
    startTime,
    attributes: {
      'messaging.system': 'kafka',
      'messaging.system.name': 'kafka',
      'messaging.operation.name': 'fetch',
      'messaging.operation.type': 'receive',
      'messaging.destination.name': [...new Set(delivered.map(([topic]) => topic))].join(','),
      'messaging.batch.message_count': delivered.reduce((sum, [, records]) => sum + records, 0),
      'millrace.bytes': delivered.reduce((sum, [, , bytes]) => sum + bytes, 0),
    },
  })
