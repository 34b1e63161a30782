import { createTraceState, isSpanContextValid, type Link, type SpanContext, TraceFlags } from '@opentelemetry/api'

/** A place in a trace as it travels in the headers of requests and messages: W3C Trace Context. */
export interface TraceHeaders {
  traceparent?: string
  tracestate?: string
}

/** Later versions may say more after the flags. */
const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/

/** Undefined where there is no trace context, or none that can be read. */
export const readTrace = ({ traceparent, tracestate }: TraceHeaders): SpanContext | undefined => {
  if (!traceparent) return undefined
  const [, version, traceId, spanId, flags, more] = TRACEPARENT.exec(traceparent) ?? []
  if (version === undefined || (version === '00' && more !== undefined)) return undefined
  const traceFlags = Number.parseInt(flags, 16) & TraceFlags.SAMPLED
  const context: SpanContext = { traceId, spanId, traceFlags, isRemote: true }
  if (tracestate) context.traceState = createTraceState(tracestate)
  return isSpanContextValid(context) ? context : undefined
}

/** Headers of a place in a trace; none for a span of a tracer that is off and has no parent. */
export const writeTrace = (context: SpanContext | undefined): TraceHeaders => {
  if (!context || !isSpanContextValid(context)) return {}
  const flags = (context.traceFlags & TraceFlags.SAMPLED).toString(16).padStart(2, '0')
  const tracestate = context.traceState?.serialize()
  return {
    traceparent: `00-${context.traceId}-${context.spanId}-${flags}`,
    ...(tracestate ? { tracestate } : {}),
  }
}

/** Only the headers that are there, for a message. */
export const onlyTrace = ({ traceparent, tracestate }: TraceHeaders): TraceHeaders => ({
  ...(traceparent ? { traceparent } : {}),
  ...(tracestate ? { tracestate } : {}),
})

export const isSampled = ({ traceFlags }: SpanContext): boolean => (traceFlags & TraceFlags.SAMPLED) !== 0

const MAX_LINKS = 32

/**
 * The traces that come together in a batch. A span has one parent: that is the first sampled one (the first of any, when
 * none is sampled, only so that the context travels on). The others are linked, so many of them as can be of use.
 */
export class TraceBatch {
  /** Sampled ones that there was no more room for. */
  leftOut = 0
  private first: SpanContext | undefined
  private last: SpanContext | undefined
  private readonly sampled: SpanContext[] = []

  add(context: SpanContext): void {
    // The events of one request come one after the other.
    if (context === this.last) return
    this.last = context
    this.first ??= context
    if (!isSampled(context)) return
    if (this.sampled.some(({ traceId, spanId }) => spanId === context.spanId && traceId === context.traceId)) return
    if (this.sampled.length <= MAX_LINKS) this.sampled.push(context)
    else this.leftOut++
  }

  get parent(): SpanContext | undefined {
    return this.sampled[0] ?? this.first
  }

  get isSampled(): boolean {
    return this.sampled.length > 0
  }

  /** All sampled ones but the parent. */
  get links(): Link[] {
    return this.sampled.slice(1).map((context) => ({ context }))
  }
}
