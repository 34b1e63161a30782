import { randomBytes } from 'node:crypto'
import type { OtlpReceiver, ReceivedSpan } from '#infra/testing/otlp.ts'

/** A client's span that a request is sent within. */
export interface ClientSpan {
  traceId: string
  spanId: string
  headers: { traceparent: string; tracestate: string }
}

export const clientSpan = ({ sampled = true } = {}): ClientSpan => {
  const [traceId, spanId] = [16, 8].map((bytes) => randomBytes(bytes).toString('hex'))
  const traceparent = `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`
  return { traceId, spanId, headers: { traceparent, tracestate: 'shop=web' } }
}

const DEADLINE_MS = 60_000

/** Resolves with what `look` finds in the spans that have come, asked again whenever some come. */
export const seen = <T>(
  receiver: OtlpReceiver,
  what: string,
  look: (spans: readonly ReceivedSpan[]) => T | undefined,
) =>
  new Promise<T>((resolve, reject) => {
    const stop = receiver.onSpans(() => check())
    const timer = setTimeout(() => {
      stop()
      reject(new Error(`no ${what} in ${receiver.spans().map(({ service, name }) => `${service}: ${name}`)}`))
    }, DEADLINE_MS)
    const check = (): void => {
      const found = look(receiver.spans())
      if (found === undefined) return
      clearTimeout(timer)
      stop()
      resolve(found)
    }
    check()
  })

/** The one span of a trace with this name; undefined when there is none or more than one. */
export const oneOf = (spans: readonly ReceivedSpan[], traceId: string, name: string): ReceivedSpan | undefined => {
  const found = spans.filter((span) => span.traceId === traceId && span.name === name)
  return found.length === 1 ? found[0] : undefined
}

export const isLinked = (from: ReceivedSpan, to: ReceivedSpan): boolean =>
  from.links.some(({ traceId, spanId }) => traceId === to.traceId && spanId === to.spanId)

/** Whether `next` goes on from `span`: as its child or by a link. */
export const follows = (next: ReceivedSpan, span: ReceivedSpan): boolean =>
  (next.traceId === span.traceId && next.parentSpanId === span.spanId) || isLinked(next, span)
