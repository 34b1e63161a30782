import type { Span, SpanContext, Tracer } from '@opentelemetry/api'
import type { CheckpointDelta, WallClock } from '#gateway/ports.ts'
import { startBatchSpan } from '#schema/spans.ts'
import { isSampled, readTrace, TraceBatch } from '#schema/trace.ts'
import type { Operation } from './operation.ts'
import type { Positions } from './positions.ts'

/** A sampled checkpoint that this gateway has applied. */
interface Applied {
  partition: number
  checkpoint: number
  place: SpanContext
  /** When, milliseconds since 1970. */
  at: number
  /** Metrics that it changed. */
  changed: ReadonlySet<string>
}

export interface PushSpans {
  applied(delta: CheckpointDelta): void
  /** The span of an update with what changed between two moments; undefined when no sampled checkpoint is in it. */
  start(operation: Operation, since: Positions, now: Positions, points: number): Span | undefined
}

/** A subscriber that is further behind than this gets its update without a span. */
const MOST_KEPT = 256

const nameOf = ({ tenant, metric, version }: { tenant: string; metric: string; version: number }): string =>
  `${tenant} ${metric} ${version}`

/** Spans of updates on their way to subscribers: from the checkpoint in the live view to the socket. */
export const createPushSpans = (tracer: Tracer, clock: WallClock): PushSpans => {
  const kept: Applied[] = []
  return {
    applied(delta) {
      const place = readTrace(delta)
      if (!place || !isSampled(place)) return
      const { partition, checkpoint } = delta.settlement
      kept.push({
        partition,
        checkpoint,
        place,
        at: clock.now(),
        changed: new Set([...delta.rows, ...delta.sessions].map(nameOf)),
      })
      if (kept.length > MOST_KEPT) kept.shift()
    },
    start(operation, since, now, points) {
      if (kept.length === 0) return undefined
      const name = nameOf(operation)
      const carried = kept.filter(
        ({ partition, checkpoint, changed }) =>
          checkpoint > since[partition] && checkpoint <= now[partition] && changed.has(name),
      )
      const traces = new TraceBatch()
      for (const { place } of carried) traces.add(place)
      return startBatchSpan(tracer, 'push', traces, () => ({
        startTime: carried[0].at,
        attributes: {
          'millrace.tenant': operation.tenant,
          'millrace.metric': operation.metric,
          'millrace.window_ms': operation.kind === 'SESSIONS' ? operation.gapMs : operation.sizeMs,
          'millrace.points': points,
        },
      }))
    },
  }
}
