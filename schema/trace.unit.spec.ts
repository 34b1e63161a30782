import type { SpanContext } from '@opentelemetry/api'
import { expect, test } from 'vitest'
import { readTrace, TraceBatch, writeTrace } from './trace.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const SPAN = 'b7ad6b7169203331'
const place = (spanId: string, traceFlags = 1): SpanContext => ({ traceId: TRACE, spanId, traceFlags })
const span = (n: number): string => n.toString(16).padStart(16, '0')

test('what was read is written again, the state of other vendors included', () => {
  const headers = { traceparent: `00-${TRACE}-${SPAN}-01`, tracestate: 'rojo=00f067aa0ba902b7,congo=t61' }
  const context = readTrace(headers)
  expect(context).toMatchObject({ traceId: TRACE, spanId: SPAN, traceFlags: 1, isRemote: true })
  expect(writeTrace(context)).toEqual(headers)
  const unsampled = `00-${TRACE}-${SPAN}-00`
  expect(writeTrace(readTrace({ traceparent: unsampled }))).toEqual({ traceparent: unsampled })
})

test('a later version is read as far as it is known', () => {
  expect(readTrace({ traceparent: `01-${TRACE}-${SPAN}-03-what-comes` })).toMatchObject({
    traceId: TRACE,
    traceFlags: 1,
  })
  expect(readTrace({ traceparent: `cc-${TRACE}-${SPAN}-00` })).toMatchObject({ spanId: SPAN, traceFlags: 0 })
})

test.each([
  '',
  '00-x\r\nNats-Msg-Id: 1',
  `00-${TRACE}-${SPAN}-01-more`,
  `00-${TRACE}-${SPAN}-0`,
  `00-${TRACE.toUpperCase()}-${SPAN}-01`,
  `ff-${TRACE}-${SPAN}-01`,
  `01-${TRACE}-${SPAN}-01more`,
  `00-${'0'.repeat(32)}-${SPAN}-01`,
  `00-${TRACE}-${'0'.repeat(16)}-01`,
])('%j is no trace context', (traceparent) => {
  expect(readTrace({ traceparent })).toBeUndefined()
})

test('nothing is written where there is nothing', () => {
  expect(writeTrace(undefined)).toEqual({})
  expect(writeTrace({ traceId: '0'.repeat(32), spanId: '0'.repeat(16), traceFlags: 0 })).toEqual({})
})

test('the first sampled place is the parent of a batch, each other one is linked once', () => {
  const batch = new TraceBatch()
  for (const context of [place(span(1), 0), place(span(2)), place(span(3)), place(span(2)), place(span(3))]) {
    batch.add(context)
  }
  expect(batch.parent?.spanId).toBe(span(2))
  expect(batch.links.map(({ context }) => context.spanId)).toEqual([span(3)])
  expect(batch.isSampled).toBe(true)
})

test('without a sampled one the first goes on, and nothing is linked', () => {
  const batch = new TraceBatch()
  batch.add(place(span(1), 0))
  batch.add(place(span(2), 0))
  expect(batch.parent?.spanId).toBe(span(1))
  expect(batch.links).toEqual([])
  expect(batch.isSampled).toBe(false)
})

test('links are bounded, and what is left out is counted', () => {
  const batch = new TraceBatch()
  for (let n = 1; n <= 40; n++) batch.add(place(span(n)))
  expect(batch.links).toHaveLength(32)
  expect(batch.leftOut).toBe(7)
})
