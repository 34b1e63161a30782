import { expect, test } from 'vitest'
import type { Point } from '#infra/testing/graphql.ts'
import { differences, differencesBetween, disagreements, type Found, foundIn } from './compare.ts'
import { createMeasured } from './measured.ts'
import type { Windows } from './model.ts'

const END = Date.UTC(2026, 0, 1)
const expected = (counts: Record<string, number>): Windows =>
  new Map(
    Object.entries(counts).map(([key, events]) => {
      const measured = createMeasured({ count: true })
      for (let i = 0; i < events; i++) measured.add(undefined)
      return [key, { endMs: END, events, measured }]
    }),
  )
const found = (counts: Record<string, number>, fields: Partial<Found> = {}) =>
  new Map(
    Object.entries(counts).map(([key, events]): [string, Found] => [
      key,
      { endMs: END, events, value: events, ...fields },
    ]),
  )

test('a window that differs, is missing or is too many is told; one without events need not be there', () => {
  const lines = differences(expected({ a: 1, b: 2, c: 3 }), found({ a: 1, b: 3, d: 4, e: 0 }))
  expect(lines.map((line) => line[0])).toEqual(['b', 'c', 'd'])
})

test('a window with another value or another end is told', () => {
  expect(differences(expected({ a: 1 }), found({ a: 1 }, { value: 2 }))).toHaveLength(1)
  expect(differences(expected({ a: 1 }), found({ a: 1 }, { endMs: END + 1 }))).toHaveLength(1)
})

test('what is filled while it is looked at lies between before and after; the rest is as it was', () => {
  const [least, most] = [expected({ a: 1, b: 2 }), expected({ a: 1, b: 4, c: 1 })]
  expect(differencesBetween(least, most, found({ a: 1, b: 3 }))).toEqual({ lines: [], atRest: 1 })
  for (const wrong of [{ a: 2, b: 3 }, { b: 3 }, { a: 1, b: 1 }, { a: 1, b: 5 }, { a: 1, b: 3, d: 1 }]) {
    expect(differencesBetween(least, most, found(wrong as Record<string, number>)).lines).toHaveLength(1)
  }
})

const point = (fields: Partial<Point>): Point => ({
  windowStart: '2025-12-31T23:59:00.000Z',
  windowEnd: new Date(END).toISOString(),
  dimensions: [],
  value: 1,
  detail: null,
  events: '1',
  status: 'COMPLETE',
  revision: 1,
  ...fields,
})

test('points that were taken back say nothing any more', () => {
  const points = new Map([
    ['a', point({})],
    ['b', point({ status: 'RETRACTED', events: '0', value: null })],
  ])
  expect(foundIn(points)).toEqual(new Map([['a', { endMs: END, events: 1, value: 1, detail: null }]]))
})

test('two that have a point must agree on its status and revision', () => {
  const one = new Map([['a', point({})]])
  expect(disagreements(one, new Map([['a', point({})]]))).toEqual([])
  expect(disagreements(one, new Map())).toEqual([])
  expect(disagreements(one, new Map([['a', point({ revision: 2 })]]))).toHaveLength(1)
  expect(disagreements(one, new Map([['a', point({ status: 'FINAL' })]]))).toHaveLength(1)
  const [complete, final, changed] = [point({}), point({ status: 'FINAL' }), point({ revision: 2 })].map(
    (said) => new Map([['a', said]]),
  )
  expect(disagreements(one, complete, final)).toEqual([])
  expect(disagreements(one, final, new Map())).toHaveLength(1)
  expect(disagreements(one, final, changed)).toEqual([
    'a: COMPLETE, revision 1; the other has FINAL, revision 1 and COMPLETE, revision 2',
  ])
})
