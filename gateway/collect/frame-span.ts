import { type Span, SpanKind, type Tracer } from '@opentelemetry/api'
import { messagingAttributes, startBatchSpan } from '#schema/spans.ts'
import { logStream } from '#schema/subjects.ts'
import type { TraceBatch } from '#schema/trace.ts'

export interface SentFrame {
  partition: number
  messageId: string
  processId: string
  events: number
  bytes: number
  /** From its first event to its turn. */
  waitedMs: number
  traces: TraceBatch | undefined
}

/** From the first try to the acknowledgement. Its place travels in the frame's headers. */
export const startFrameSpan = (tracer: Tracer, frame: SentFrame): Span | undefined => {
  const { partition, messageId, processId, events, bytes, waitedMs, traces } = frame
  return startBatchSpan(tracer, `send ${logStream(partition)}`, traces, () => ({
    kind: SpanKind.PRODUCER,
    attributes: {
      ...messagingAttributes('send', partition, processId, events),
      'messaging.message.id': messageId,
      'messaging.message.body.size': bytes,
      'millrace.frame.waited_ms': Math.round(waitedMs),
    },
  }))
}
