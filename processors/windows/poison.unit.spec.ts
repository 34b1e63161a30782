import { expect, test } from 'vitest'
import type { ControlRecord } from '#schema/frame.ts'
import { buildBatch } from '../runtime/batch.ts'
import { at, FoldHarness, metric } from './fold-harness.ts'

/** Replaces what a metric reads of an event, as a mistake in it would. */
const breakMetric = (harness: FoldHarness, name: string, part: 'matches' | 'dims' | 'read'): (() => void) => {
  const { compiled } = harness.fold.tenant('main').metrics.get(name)!
  const whole = compiled[part]
  compiled[part] = () => {
    throw new RangeError(`no ${part}`)
  }
  return () => {
    compiled[part] = whole as never
  }
}

test.each(['matches', 'dims', 'read'] as const)('an event of which a metric breaks on %s counts nowhere', (part) => {
  const harness = new FoldHarness().define(metric()).define(metric({ name: 'other' }))
  harness.frame(10, { id: 'a', time: 10 })
  const mend = breakMetric(harness, 'other', part)
  expect(harness.frame(20, { id: 'b', time: 20 }, { id: 'a', time: 20 })).toEqual(['I', 'D'])
  const { late, rows, totals, segment } = harness.sealed.at(-1)!
  expect(late).toMatchObject([
    {
      tenant: 'main',
      event: { code: 'INVALID', message: `the event cannot be folded: no ${part}`, line: { e: { id: 'b' } }, index: 0 },
    },
  ])
  expect([rows, segment.ids]).toEqual([[], []])
  expect(totals.main).toEqual({ C: 0, D: 1, L: 0, I: 1 })

  mend()
  expect(harness.frame(30, { id: 'b', time: 20 }, { id: 'c', time: 30 })).toEqual(['C', 'C'])
  expect([harness.events('views'), harness.events('other')]).toEqual([{ 0: 3 }, { 0: 3 }])
})

const bad = (record: unknown) => record as ControlRecord
test.each<[string, unknown, string]>([
  ['no object', null, 'one of the kinds'],
  ['an unknown kind', { kind: 'renameTenant', tenant: 'main' }, 'one of the kinds'],
  ['a kind that objects inherit', { kind: 'constructor' }, 'one of the kinds'],
  ['no metric', { kind: 'defineMetric', tenant: 'main' }, 'undefined'],
  ['a tenant that is no name', { kind: 'defineMetric', tenant: 'a.b', metric: metric() }, 'tenant'],
  ['a metric whose name is none', { kind: 'defineMetric', tenant: 'main', metric: metric({ name: '>' }) }, 'name'],
  [
    'a measure that there is not',
    bad({ kind: 'defineMetric', tenant: 'main', metric: { ...metric(), measure: { kind: 'P99', field: 'name' } } }),
    'measure',
  ],
  [
    'a condition that there is not',
    {
      kind: 'defineMetric',
      tenant: 'main',
      metric: { ...metric(), where: [{ field: 'name', op: 'LIKE', value: 'x' }] },
    },
    'where',
  ],
  [
    'a window of no length',
    { kind: 'defineMetric', tenant: 'main', metric: { ...metric(), windows: [{ kind: 'TUMBLING', sizeMs: 0 }] } },
    'window',
  ],
  [
    'a window of another kind',
    { kind: 'defineMetric', tenant: 'main', metric: { ...metric(), windows: [{ kind: 'SESSION', sizeMs: 60_000 }] } },
    'window',
  ],
  ['no version', { kind: 'defineMetric', tenant: 'main', metric: { ...metric(), version: undefined } }, 'version'],
  ['a deletion without a version', { kind: 'deleteMetric', tenant: 'main', name: 'views' }, 'version'],
  [
    'a horizon that is none',
    { kind: 'tenant', tenant: 'main', version: 1, latenessHorizonMs: null, outOfOrdernessMs: 5 },
    'durations',
  ],
  ['a tick without clocks', { kind: 'tick' }, 'clocks'],
  ['a tick to nowhere', { kind: 'tick', clocks: [{ tenant: 'main', source: 'live', watermark: null }] }, 'watermark'],
  ['a marker of nobody', { kind: 'marker', gateway: {}, number: 1, sentAt: 1 }, 'gateway'],
])('a control record with %s changes nothing and is a dead letter', (_, record, why) => {
  const harness = new FoldHarness().define(metric()).control(bad(record))
  expect(harness.frame(10, { id: 'a', time: 10 })).toEqual(['C'])
  const { late, definitions, clocks } = harness.sealed[0]
  expect(late).toMatchObject([
    {
      tenant: 'unknown',
      event: { code: 'CONTROL', message: expect.stringContaining(why), line: null, raw: JSON.stringify(record) },
    },
  ])
  expect([definitions.length, clocks.map(({ watermark }) => watermark)]).toEqual([1, [at(5)]])
  expect(harness.events()).toEqual({ 0: 1 })
})

test('whatever stands in a frame, the lines around it count, and what is kept of it fits a message', () => {
  const harness = new FoldHarness().define(metric())
  const line = (id: string): string =>
    JSON.stringify({
      tenant: 'main',
      source: 'live',
      receivedAt: at(10),
      time: at(10),
      key: 'k',
      weight: 1,
      schema: 0,
      e: { id, name: 'view' },
    })
  const deep = line('deep').replace('"view"', `"view","properties":{"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}`)
  const text = [line('a'), '\u0000\ufffd', line('x').slice(9), 'x'.repeat(900_000), deep, ' ', line('b')].join('\n')
  expect(harness.raw(10, text)).toEqual(['C', 'I', 'I', 'I', 'I', 'I', 'C'])
  const { late } = harness.sealed[0]
  expect(late.map(({ event }) => event.index)).toEqual([1, 2, 3, 4, 5])
  for (const { event } of late) expect(JSON.stringify(event).length).toBeLessThan(20_000)
  expect(harness.raw(11, '')).toEqual(['C'])
  expect(harness.events()).toEqual({ 0: 2 })
})

test('values that hold what keys are made of stay apart', () => {
  const dimensions = ['properties.a', 'properties.b']
  const harness = new FoldHarness().define(metric({ dimensions }))
  const of = (id: string, a: unknown, b: unknown) => ({ id, time: 10, properties: { a, b } })
  harness.frame(
    10,
    of('1', 'x\u0000y', 'z'),
    of('2', 'x', 'y\u0000z'),
    of('3', null, '\u0002'),
    of('4', '\u0002', null),
  )
  expect(harness.sealed[0].rows.map(({ dims, events }) => [...dims, events])).toEqual([
    ['x\u0000y', 'z', 1],
    ['x', 'y\u0000z', 1],
    [null, '\u0002', 1],
    ['\u0002', null, 1],
  ])
  harness.restart().frame(20, { ...of('5', 'x', 'y\u0000z'), time: 20 })
  expect(Object.values(harness.totals()).map(({ events }) => events)).toEqual([1, 2, 1, 1])
})

test('sums never leave what a double holds: what could is not measured', () => {
  const field = 'properties.n'
  const kinds = ['SUM', 'AVG', 'MIN', 'MAX'] as const
  const harness = new FoldHarness()
  for (const kind of kinds) harness.define(metric({ name: kind.toLowerCase(), measure: { kind, field } }))
  const numbers = [1.7976931348623157e308, 1.7976931348623157e308, -1.7976931348623157e308, 1e290, 1e290, -0, 5e-324]
  harness.frame(
    10,
    ...numbers.map((n, i) => ({ id: `${i}`, time: 10, properties: { n }, weight: i === 3 ? 1_000_000 : 1 })),
  )
  const [sum, avg, min, max] = kinds.map((kind) => harness.totals(kind.toLowerCase())[0])
  expect(sum).toMatchObject({ events: 7, n: 1_000_003, sum: 1_000_001e290 })
  expect(avg.sum).toBe(sum.sum)
  expect([min.min, max.max, min.n]).toEqual([-1.7976931348623157e308, 1.7976931348623157e308, 1_000_006])
})

test('how long a list is is nothing that an event says', () => {
  const harness = new FoldHarness().define(metric({ dimensions: ['properties.l.length', 'properties.l.0'] }))
  harness.frame(10, { id: 'a', time: 10, properties: { l: ['x', 'y'] } })
  expect(harness.sealed[0].rows[0].dims).toEqual([null, 'x'])
})

test('a long value is cut between characters, and loses nothing but what is beyond', () => {
  const harness = new FoldHarness().define(metric({ dimensions: ['properties.a'] }))
  const values = [`${'x'.repeat(255)}😀`, `${'x'.repeat(255)}\ufffdy`, 'x'.repeat(257)]
  harness.frame(10, ...values.map((a, i) => ({ id: `${i}`, time: 10, properties: { a } })))
  expect(harness.sealed[0].rows.map(({ dims }) => dims[0])).toEqual([
    'x'.repeat(255),
    `${'x'.repeat(255)}\ufffd`,
    'x'.repeat(256),
  ])
})

test('a checkpoint of long texts that take three bytes a character fits messages', () => {
  const dimensions = ['properties.a', 'properties.b', 'properties.c', 'properties.d']
  const harness = new FoldHarness().define(metric({ dimensions }))
  const text = '\u65e5'.repeat(256)
  const events = Array.from({ length: 3_000 }, (_, i) => ({
    id: `${i}`,
    time: 10,
    properties: { a: text, b: text, c: text, d: `${i}${text}` },
  }))
  harness.frame(10, ...events)
  const head = {
    format: 1,
    partition: 0,
    epoch: 1,
    owner: 'me',
    nonce: '',
    checkpoint: 0,
    sequence: 0,
    manifest: [],
    marks: [],
  }
  const batch = buildBatch(harness.sealed[0], head, { nonce: 'x', manifest: [], marks: [] }, at(10))
  const messages = [...batch.aggregates.map(({ data }) => data), ...batch.segment!.chunks]
  expect(messages.length).toBeGreaterThan(10)
  for (const { length } of messages) expect(length).toBeLessThan(1_000_000)
})
