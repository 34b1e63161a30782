import { SpanKind, SpanStatusCode } from '@opentelemetry/api'
import { Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { createMemoryTracer } from '#schema/testing/tracer.ts'
import { readTrace } from '#schema/trace.ts'
import { createMemoryLog } from '../testing/fakes.ts'
import { createCollectMetrics } from './metrics.ts'
import { createOpenFrames, type FrameTicket } from './open-frames.ts'

const place = (digit: string, flags = '01') =>
  readTrace({ traceparent: `00-${digit.repeat(32)}-${digit.repeat(16)}-${flags}`, tracestate: 'shop=web' })

const setUp = (answer?: () => Promise<void>) => {
  const { log, frames } = createMemoryLog(answer)
  const { tracer, spans } = createMemoryTracer()
  const metrics = createCollectMetrics(new Registry())
  const open = createOpenFrames({ log, metrics, partitions: 1, processId: 'gateway-1', tracer })
  const add = (line: string, trace = place('a')) =>
    (open.add({ partition: 0, tenant: 'main', receivedAt: 0, line, trace }) as FrameTicket).outcome
  return { add, frames, spans }
}

test('a frame is a batch of messages; its span is in its headers', async () => {
  const { add, frames, spans } = setUp()
  await Promise.all([
    add('one', place('a', '00')),
    add('two', place('b')),
    add('three', place('c')),
    add('4', place('b')),
  ])
  const [span, ...more] = spans()
  expect(more).toEqual([])
  expect(span.name).toBe('send user_events_0')
  expect(span.kind).toBe(SpanKind.PRODUCER)
  expect(span.parentSpanContext?.spanId).toBe(place('b')?.spanId)
  expect(span.links.map(({ context }) => context.traceId)).toEqual([place('c')?.traceId])
  expect(span.attributes).toMatchObject({
    'messaging.client.id': 'gateway-1',
    'messaging.batch.message_count': 4,
    'messaging.message.id': frames[0].messageId,
    'messaging.message.body.size': 15,
  })
  const { traceId, spanId } = span.spanContext()
  expect(frames[0]).toMatchObject({ traceparent: `00-${traceId}-${spanId}-01`, tracestate: 'shop=web' })
})

test('a frame without a sampled request has no span', async () => {
  const { add, spans } = setUp()
  await add('one', place('a', '00'))
  expect(spans()).toEqual([])
})

test('a frame that is not acknowledged is an error', async () => {
  const { add, spans } = setUp(() => Promise.reject(new RangeError('no answer')))
  await add('one')
  expect(spans()[0].status).toEqual({ code: SpanStatusCode.ERROR, message: 'no answer' })
  expect(spans()[0].attributes).toMatchObject({ 'error.type': 'RangeError' })
})
