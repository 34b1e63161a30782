import fc from 'fast-check'
import { expect, test } from 'vitest'
import { dimensionsReader } from '#schema/compile-metric.ts'
import type { EventLine } from '#schema/event.ts'
import { seriesKey } from '#schema/metric.ts'
import { FrameReader } from '#schema/scan/frame-reader.ts'
import { SeriesNames } from './series-names.ts'

const FIELDS = ['country', 'properties.a', 'properties.constructor'] as const
const value = fc.oneof(fc.constantFrom(undefined, null, '', '1:x', '-', 'x', 1, true, { x: 1 }), fc.string())
const event = fc.record({ country: fc.constantFrom(undefined, 'NL', '-'), a: value, constructor: value })
const lineOf = ({ country, ...properties }: { country: string | undefined; a: unknown; constructor: unknown }) =>
  ({ country, e: { properties } }) as unknown as EventLine

const frameLine = ({ country, a, name }: { country?: string; a: unknown; name: string }): string =>
  JSON.stringify({
    ...{ tenant: 'main', source: 'live', receivedAt: 1_780_000_000_000, time: 1_780_000_000_000, key: 's1', weight: 1 },
    ...{ country, schema: 0, e: { id: 'i', name, properties: { a } } },
  })

test.each([0, 1, 2, 3])('the name of an event by %d dimensions is what its values are, found or made', (count) => {
  const fields = FIELDS.slice(0, count)
  const read = dimensionsReader(fields)
  fc.assert(
    fc.property(fc.array(event, { maxLength: 50 }), fc.nat(50), (events, forgetAt) => {
      const names = new SeriesNames(fields, read)
      for (const [i, one] of events.entries()) {
        if (i === forgetAt) names.forget()
        const line = lineOf(one)
        const name = names.of(line)
        expect(name).toMatchObject({ dims: read(line), key: seriesKey(read(line)) })
        expect(names.of(line)).toBe(name)
      }
    }),
  )
})

test('more names than it remembers are right all the same', () => {
  const fields = ['country', 'properties.a']
  const names = new SeriesNames(fields, dimensionsReader(fields))
  for (let i = 0; i < 45_000; i++) {
    const a = `value ${i % 23_000}`
    expect(names.of(lineOf({ country: 'NL', a, constructor: 1 })).dims).toEqual(['NL', a])
  }
})

const FRAME_FIELDS = ['country', 'properties.a', 'name']
const NUMBERS = fc.nat(6_000)

test('names of lines that were scanned are what their values are, however many there are', () => {
  const read = dimensionsReader(FRAME_FIELDS)
  const names = new SeriesNames(FRAME_FIELDS, read)
  const text = (n: number): string => ['a', 'b', 'ü', `value ${n}`, `value ${n % 100}`][n % 5]
  const a = fc.oneof(NUMBERS, NUMBERS.map(text), fc.constantFrom(undefined, null, '', '0', '1', 'x'.repeat(300)))
  const sent = fc.record({
    country: fc.option(NUMBERS.map(text), { nil: undefined }),
    a,
    name: fc.constantFrom('x', 'y'),
  })
  fc.assert(
    fc.property(fc.array(sent, { minLength: 100, maxLength: 400 }), fc.nat(400), (events, forgetAt) => {
      const reader = new FrameReader()
      reader.open(new TextEncoder().encode(events.map(frameLine).join('\n')))
      for (const [i] of events.entries()) {
        if (i === forgetAt) names.forget()
        const line = reader.next() as EventLine
        const name = names.of(line)
        expect([name.dims, name.key]).toEqual([read(line), seriesKey(read(line))])
        expect(names.of(line)).toBe(name)
      }
    }),
    { numRuns: 40 },
  )
})
