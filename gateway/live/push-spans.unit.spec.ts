import { expect, test } from 'vitest'
import { createMemoryTracer } from '#schema/testing/tracer.ts'
import { fakeOlap } from './fake-olap.ts'
import { createLiveView } from './live-view.ts'
import { createMetricReader } from './metric-reader.ts'
import { createPushSpans } from './push-spans.ts'
import {
  createPuller,
  definition,
  fakeCheckpoints,
  fakeMetricStore,
  liveClock,
  row,
  TENANT,
  tumbling,
} from './testing.ts'

const MINUTE = 60_000
const traceparent = (digit: string, flags = '01') => `00-${digit.repeat(32)}-${digit.repeat(16)}-${flags}`

const setUp = async () => {
  const { tracer, spans } = createMemoryTracer()
  const checkpoints = fakeCheckpoints(2)
  const metrics = fakeMetricStore(definition(), definition({ name: 'others' }))
  const clock = { now: () => 5_000 }
  const pushSpans = createPushSpans(tracer, clock)
  const log = { warn() {} }
  const view = createLiveView({ feed: checkpoints.feed, metrics, partitions: 2, clock, log, pushSpans })
  const olap = fakeOlap(checkpoints.history).reader
  const horizonMs = () => 0
  const options = { view, metrics, olap, clock, deploymentId: 'd', horizonMs, paceMs: 0, pushSpans }
  const reader = createMetricReader(options)
  const follow = async (metric = 'views') =>
    createPuller(await reader.subscribe(TENANT, { metric, window: tumbling(MINUTE), by: [], last: 10 }))
  const commit = (partition: number, trace: string, metric = 'views') => {
    const clocks = [liveClock(1)]
    checkpoints.commit(partition, [row(0, ['NL', '/'], 1, { metric })], { clocks, trace: { traceparent: trace } })
  }
  return { spans, follow, commit }
}

const parents = (spans: { parentSpanContext?: { traceId: string } }[]) =>
  spans.map(({ parentSpanContext }) => parentSpanContext?.traceId[0])

test('an update is the child of the first checkpoint that it carries, linked to the others, and ends when it is sent', async () => {
  const { spans, follow, commit } = await setUp()
  const subscriber = await follow()
  await subscriber.pull()
  commit(0, traceparent('a'))
  commit(1, traceparent('b'))
  await subscriber.next()
  expect(spans()).toEqual([])
  await subscriber.pull()
  const [push, ...more] = spans()
  expect(more).toEqual([])
  expect(push.name).toBe('push')
  expect(parents([push])).toEqual(['a'])
  expect(push.links.map(({ context }) => context.traceId[0])).toEqual(['b'])
  expect(push.attributes).toMatchObject({ 'millrace.tenant': TENANT, 'millrace.metric': 'views', 'millrace.points': 1 })
  await subscriber.end()
})

test('many subscribers to the same have one span; those of another metric, and what is not sampled, have none', async () => {
  const { spans, follow, commit } = await setUp()
  const subscribers = await Promise.all([follow(), follow(), follow('others')])
  const pullAll = () => Promise.all(subscribers.map((subscriber) => subscriber.pull()))
  await pullAll()
  commit(0, traceparent('a', '00'))
  await pullAll()
  commit(0, traceparent('b'))
  await pullAll()
  expect(parents(spans())).toEqual(['b'])
  // Both are between what each of them has seen and now.
  commit(1, traceparent('c'), 'others')
  commit(1, traceparent('d'))
  await pullAll()
  expect(parents(spans())).toEqual(['b', 'd', 'c'])
  expect(spans().flatMap(({ links }) => links)).toEqual([])
  await Promise.all(subscribers.map((subscriber) => subscriber.end()))
})

test('the span of an update whose reader leaves ends with it', async () => {
  const { spans, follow, commit } = await setUp()
  const subscriber = await follow()
  await subscriber.pull()
  commit(0, traceparent('a'))
  await subscriber.next()
  await subscriber.end()
  expect(spans()).toHaveLength(1)
})
