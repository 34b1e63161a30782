import { expect, test } from 'vitest'
import { type Point, pointKey } from '#infra/testing/graphql.ts'
import { type CountedEvent, countWindows, differences, disagreements } from './windows.ts'

const T0 = Date.UTC(2026, 0, 1)
const MINUTE = 60_000
const view = (timeMs: number, fields: Partial<CountedEvent> = {}): CountedEvent => ({
  timeMs,
  name: 'page_view',
  user: 'u1',
  path: '/',
  status: 200,
  bytes: 10,
  amount: 0,
  ...fields,
})
const key = (timeMs: number, ...dimensions: (string | null)[]) =>
  pointKey({ windowStart: new Date(timeMs).toISOString(), dimensions })

test('windows start at whole minutes and hold what is in them, by dimension or in all', () => {
  const events = [view(T0), view(T0 + MINUTE - 1, { path: '/cart' }), view(T0 + MINUTE, { bytes: 5 })]
  expect(countWindows(events, { name: 'page_views', sizeMs: MINUTE, by: [] })).toEqual(
    new Map([
      [key(T0), [2, 2]],
      [key(T0 + MINUTE), [1, 1]],
    ]),
  )
  expect(countWindows(events, { name: 'bytes_served', sizeMs: MINUTE })).toEqual(
    new Map([
      [key(T0, null, 'GET', '200'), [20, 2]],
      [key(T0 + MINUTE, null, 'GET', '200'), [5, 1]],
    ]),
  )
})

test('users count once, amounts add up to the cent, and metrics take their own events only', () => {
  const sale = (amount: number) => view(T0, { name: 'conversion', amount })
  const events = [sale(0.1), sale(0.2), view(T0)]
  const all = { sizeMs: MINUTE, by: [] }
  expect(countWindows(events, { name: 'active_users', ...all })).toEqual(new Map([[key(T0), [1, 3]]]))
  expect(countWindows(events, { name: 'revenue', ...all })).toEqual(new Map([[key(T0), [0.3, 2]]]))
})

test('a window that differs, is missing or is too many is told', () => {
  const expected = new Map([
    ['a', [1, 1]],
    ['b', [2, 2]],
    ['c', [3, 3]],
  ] as const) as Parameters<typeof differences>[0]
  const found = new Map([
    ['a', [1, 1]],
    ['b', [2, 3]],
    ['d', [4, 4]],
  ] as const) as Parameters<typeof differences>[0]
  expect(differences(expected, found).map((line) => line[0])).toEqual(['b', 'c', 'd'])
})

test('two that have a point must agree on its status and revision', () => {
  const point = (fields: Partial<Point>): Point => ({
    windowStart: new Date(T0).toISOString(),
    dimensions: [],
    value: 1,
    events: '1',
    status: 'COMPLETE',
    revision: 1,
    ...fields,
  })
  const one = new Map([['a', point({})]])
  expect(disagreements(one, new Map([['a', point({})]]))).toEqual([])
  expect(disagreements(one, new Map())).toEqual([])
  expect(disagreements(one, new Map([['a', point({ revision: 2 })]]))).toHaveLength(1)
  expect(disagreements(one, new Map([['a', point({ status: 'FINAL' })]]))).toHaveLength(1)
})
