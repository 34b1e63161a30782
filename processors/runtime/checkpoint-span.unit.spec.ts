import { SpanKind } from '@opentelemetry/api'
import { expect, test } from 'vitest'
import type { LogMessage } from '#schema/frame.ts'
import { NO_TRACER } from '#schema/spans.ts'
import { createMemoryTracer } from '#schema/testing/tracer.ts'
import { writeTrace } from '#schema/trace.ts'
import { createCheckpointSpans } from './checkpoint-span.ts'

const OWNED = { partition: 3, owner: 'me', epoch: 7 }
const traceparent = (digit: string, flags = '01') => `00-${digit.repeat(32)}-${digit.repeat(16)}-${flags}`
const frame = (sequence: number, trace?: string): LogMessage => ({
  sequence,
  storedAt: 0,
  kind: 'events',
  data: new Uint8Array(),
  ...(trace ? { traceparent: trace } : {}),
})
const sealed = (checkpoint: number) => ({ checkpoint, events: 9, from: 1, to: 4 })

test('a checkpoint begins with the first sampled frame that it read, and links all of them', () => {
  const { tracer, spans } = createMemoryTracer()
  // Times below the process's own running time would be taken for such.
  const started = Date.UTC(2026, 0, 1)
  let now = started
  const of = createCheckpointSpans(tracer, OWNED, () => now++)
  const [first, ...rest] = [
    frame(1),
    frame(2, traceparent('a', '00')),
    frame(3, traceparent('b')),
    frame(4, traceparent('c')),
  ]
  for (const message of [first, ...rest]) of.read(message)
  const span = of.start(sealed(5))
  of.read(frame(5, traceparent('d')))
  span?.end()
  const [made] = spans()
  expect(made.name).toBe('process user_events_3')
  expect(made.kind).toBe(SpanKind.CONSUMER)
  expect(made.startTime).toEqual([started / 1_000, 0])
  expect(made.parentSpanContext?.traceId).toBe('b'.repeat(32))
  expect(made.links.map(({ context }) => context.traceId[0])).toEqual(['b', 'c'])
  expect(made.attributes).toMatchObject({
    'messaging.client.id': 'me',
    'messaging.batch.message_count': 9,
    'millrace.checkpoint': 5,
    'millrace.epoch': 7,
    'millrace.sequence.first': 1,
    'millrace.sequence.last': 4,
  })
  // What was read after the seal is the next one's.
  of.start(sealed(6))?.end()
  expect(spans()[1].parentSpanContext?.traceId).toBe('d'.repeat(32))
  expect(of.start(sealed(7))).toBeUndefined()
})

test('what is not sampled travels on without a span, and so does everything when there is no tracer', () => {
  const { tracer, spans } = createMemoryTracer()
  const of = createCheckpointSpans(tracer, OWNED, Date.now)
  of.read(frame(1, traceparent('a', '00')))
  const span = of.start(sealed(1))
  span?.end()
  expect(writeTrace(span?.spanContext())).toEqual({ traceparent: traceparent('a', '00') })
  expect(spans()).toEqual([])

  const off = createCheckpointSpans(NO_TRACER, OWNED, Date.now)
  off.read(frame(1, traceparent('b')))
  expect(writeTrace(off.start(sealed(1))?.spanContext())).toEqual({ traceparent: traceparent('b') })
})
