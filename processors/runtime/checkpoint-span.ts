import { type Span, SpanKind, type Tracer } from '@opentelemetry/api'
import type { LogMessage } from '#schema/frame.ts'
import { messagingAttributes, startBatchSpan } from '#schema/spans.ts'
import { logStream } from '#schema/subjects.ts'
import { isSampled, readTrace, TraceBatch } from '#schema/trace.ts'

interface Owned {
  partition: number
  owner: string
  epoch: number
}

interface SealedCheckpoint {
  checkpoint: number
  events: number
  /** First and last log sequence. */
  from: number
  to: number
}

/** Spans of one partition's checkpoints: from the first sampled frame that was read to the commit. */
export const createCheckpointSpans = (tracer: Tracer, { partition, owner, epoch }: Owned, now: () => number) => {
  let traces: TraceBatch | undefined
  let startTime: number | undefined
  return {
    /** Of the next checkpoint. */
    read(message: LogMessage): void {
      const place = readTrace(message)
      if (!place) return
      traces ??= new TraceBatch()
      traces.add(place)
      if (isSampled(place)) startTime ??= now()
    },
    /** The span of all that was read since the last call. Its place travels in the settlement's headers. */
    start({ checkpoint, events, from, to }: SealedCheckpoint): Span | undefined {
      const [batch, started] = [traces, startTime]
      traces = undefined
      startTime = undefined
      return startBatchSpan(tracer, `process ${logStream(partition)}`, batch, () => ({
        kind: SpanKind.CONSUMER,
        startTime: started,
        // The conventions ask for a link to each message that is processed, be it the parent or not.
        links: [{ context: batch!.parent! }, ...batch!.links],
        attributes: {
          ...messagingAttributes('process', partition, owner, events),
          'millrace.checkpoint': checkpoint,
          'millrace.epoch': epoch,
          'millrace.sequence.first': from,
          'millrace.sequence.last': to,
        },
      }))
    },
  }
}
