import { describe, expect, it, test } from 'vitest'
import { pointKey } from '#infra/testing/graphql.ts'
import { BUILTIN, type Definition, HOUR, MINUTE, SESSION_END } from './definitions.ts'
import type { CountedEvent } from './fields.ts'
import { countEnds, countWindows, type Question, type Windows } from './model.ts'

const T0 = Date.UTC(2026, 0, 1)
const at = (seconds: number) => T0 + seconds * 1_000

const view = (seconds: number, fields: Partial<CountedEvent> = {}): CountedEvent => ({
  id: `e${seconds}`,
  source: 'live',
  key: 's1',
  name: 'page_view',
  user: 'u1',
  timeMs: at(seconds),
  partition: 0,
  sequence: 1,
  properties: { path: '/', method: 'GET', status: 200, bytes: 10 },
  ...fields,
})
const other = (properties: CountedEvent['properties']) => ({ properties: { ...view(0).properties, ...properties } })
const metric = (fields: Partial<Definition> = {}): Definition => ({
  name: 'm',
  event: '*',
  measure: { count: true },
  dimensions: [],
  windows: [],
  ...fields,
})
const key = (seconds: number, ...dimensions: (string | null)[]) =>
  pointKey({ windowStart: new Date(at(seconds)).toISOString(), dimensions })
/** [events, length in seconds] of each window. */
const shapes = (windows: Windows, starts: Record<string, number>) =>
  Object.fromEntries(
    [...windows].map(([point, { events, endMs }]) => [point, [events, (endMs - at(starts[point] ?? 0)) / 1_000]]),
  )
const events = (windows: Windows) => Object.fromEntries([...windows].map(([point, one]) => [point, one.events]))
const builtin = (name: string) => BUILTIN.find((one) => one.name === name)!

describe('windows', () => {
  it('start at whole minutes and hold what is in them, by dimension or in all', () => {
    const views = [view(0), view(59.999, other({ path: '/cart' })), view(60)]
    expect(shapes(countWindows(views, builtin('page_views'), { window: MINUTE, by: [] }), { [key(60)]: 60 })).toEqual({
      [key(0)]: [2, 60],
      [key(60)]: [1, 60],
    })
    expect(events(countWindows(views, builtin('bytes_served'), { window: HOUR }))).toEqual({
      [key(0, null, 'GET', '200')]: 3,
    })
  })

  it('that slide hold an event as often as they overlap', () => {
    const window = { sliding: { size: 'PT3M', slide: 'PT1M' } }
    expect(events(countWindows([view(0), view(60)], metric(), { window }))).toEqual({
      [key(-120)]: 1,
      [key(-60)]: 2,
      [key(0)]: 2,
      [key(60)]: 1,
    })
  })

  it('hold the events of a metric alone', () => {
    const where: Definition['where'] = [{ field: 'properties.status', op: 'EQ', value: 404 }]
    const all = [view(0), view(1, other({ status: 404 })), view(2, { name: 'ping', properties: {} })]
    expect(events(countWindows(all, metric({ where }), { window: MINUTE }))).toEqual({ [key(0)]: 1 })
    expect(events(countWindows(all, metric({ event: 'ping' }), { window: MINUTE }))).toEqual({ [key(0)]: 1 })
  })

  it('have null where an event has no such property', () => {
    const windows = countWindows([view(0, { properties: {} })], metric({ dimensions: ['properties.path'] }), {
      window: MINUTE,
    })
    expect(events(windows)).toEqual({ [key(0, null)]: 1 })
  })
})

describe('sessions', () => {
  const question: Question = { window: { session: 'PT10S' } }

  it('go on while the next event of their source and key is at most the gap away, whatever came first', () => {
    const all = [view(20), view(0), view(10), view(30.001), view(5, { key: 's2' }), view(5, { source: 'file' })]
    const windows = countWindows(all, metric(), question)
    expect([...windows].map(([point, one]) => [point, one.events, one.endMs]).sort()).toEqual(
      [
        [key(0, 's1'), 3, at(30)],
        [key(30.001, 's1'), 1, at(40.001)],
        [key(5, 's1'), 1, at(15)],
        [key(5, 's2'), 1, at(15)],
      ].sort(),
    )
  })

  it('are parted by dimensions, but begin and end for all of them alike', () => {
    const all = [view(0), view(5, other({ path: '/cart' }))]
    const windows = countWindows(all, metric({ dimensions: ['properties.path'] }), question)
    expect([...windows].map(([point, { endMs }]) => [point, endMs])).toEqual([
      [key(0, 's1', '/'), at(15)],
      [key(0, 's1', '/cart'), at(15)],
    ])
  })
})

test('ended sessions count in the window of their end, with the user of their first event', () => {
  const definition = metric({
    event: SESSION_END,
    measure: { sum: 'properties.seconds' },
    dimensions: ['userId'],
    sessionGap: 'PT10S',
  })
  const all = [view(45), view(52.5), view(0, { key: 's2', user: 'u2' }), view(100, { key: 's3' })]
  const windows = countEnds(all, definition, { window: MINUTE }, (_, endMs) => endMs <= at(90))
  expect(events(windows)).toEqual({ [key(60, 'u1')]: 1, [key(0, 'u2')]: 1 })
  expect(windows.get(key(60, 'u1'))?.measured.judge({ value: 7.5 })).toBeNull()
})
