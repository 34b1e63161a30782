import fc from 'fast-check'
import { expect, test } from 'vitest'
import { dimensionsReader } from '#schema/compile-metric.ts'
import type { EventLine } from '#schema/event.ts'
import { seriesKey } from '#schema/metric.ts'
import { SeriesNames } from './series-names.ts'

const FIELDS = ['country', 'properties.a', 'properties.constructor'] as const
const value = fc.oneof(fc.constantFrom(undefined, null, '', '1:x', '-', 'x', 1, true, { x: 1 }), fc.string())
const event = fc.record({ country: fc.constantFrom(undefined, 'NL', '-'), a: value, constructor: value })
const lineOf = ({ country, ...properties }: { country: string | undefined; a: unknown; constructor: unknown }) =>
  ({ country, e: { properties } }) as unknown as EventLine

test.each([0, 1, 2, 3])('the name of an event by %d dimensions is what its values are, found or made', (count) => {
  const read = dimensionsReader(FIELDS.slice(0, count))
  fc.assert(
    fc.property(fc.array(event, { maxLength: 50 }), fc.nat(50), (events, forgetAt) => {
      const names = new SeriesNames(read)
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
  const names = new SeriesNames(dimensionsReader(['country', 'properties.a']))
  for (let i = 0; i < 45_000; i++) {
    const a = `value ${i % 23_000}`
    expect(names.of(lineOf({ country: 'NL', a, constructor: 1 })).dims).toEqual(['NL', a])
  }
})
