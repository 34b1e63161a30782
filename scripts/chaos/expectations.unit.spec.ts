import { expect, test } from 'vitest'
import { pointKey } from '#infra/testing/graphql.ts'
import type { Found } from './compare.ts'
import { type Definition, MINUTE, SESSION_END } from './definitions.ts'
import { createExpectations, type Statement } from './expectations.ts'
import type { CountedEvent } from './fields.ts'
import { createHistory } from './history.ts'

const T0 = Date.UTC(2026, 0, 1)
const KEY = pointKey({ windowStart: new Date(T0).toISOString(), dimensions: [] })

const event = (sequence: number, seconds: number): CountedEvent => ({
  id: `e${sequence}`,
  source: 'live',
  key: `s${sequence}`,
  name: 'page_view',
  user: 'u1',
  timeMs: T0 + seconds * 1_000,
  partition: 0,
  sequence,
  properties: {},
})
const definition = (fields: Partial<Definition> = {}): Definition => ({
  name: 'm',
  event: '*',
  measure: { count: true },
  dimensions: [],
  windows: [MINUTE],
  ...fields,
})

/** Versions one after the other at these places; clocks in seconds. */
const expectations = (versions: [Definition | null, place: number][], before = 0, after = 0) => {
  const history = createHistory()
  for (const [i, [one]] of versions.entries()) history.note('m', { version: i + 1, definition: one })
  const places = new Map([['m', new Map(versions.map(([, place], i) => [i + 1, new Map([[0, place]])]))]])
  const clocks = (seconds: number) => [new Map([['live', T0 + seconds * 1_000]])]
  const events = [event(2, 0), event(4, 10), event(6, 20)]
  return createExpectations({ events, history, places, before: clocks(before), after: clocks(after) })
}
const count = (events: number, version?: number): Statement => {
  const found = new Map<string, Found>(events > 0 ? [[KEY, { endMs: T0 + 60_000, events, value: events }]] : [])
  return { who: 'somebody', metric: 'm', version, question: { window: MINUTE }, found }
}

test('what is said of a metric is held against its newest version, or the one that is named', () => {
  const { judge } = expectations([
    [definition(), 1],
    [definition({ event: 'page_view' }), 5],
  ])
  expect(judge(count(1))).toEqual({ lines: [], atRest: 1 })
  expect(judge(count(2, 1))).toEqual({ lines: [], atRest: 1 })
  expect(judge(count(3)).lines).toEqual([expect.stringMatching(/^somebody: .* 3 events .* and not 1$/)])
  expect(judge(count(1, 1)).lines).toHaveLength(1)
})

test('a version that is deleted says nothing', () => {
  const { judge } = expectations([
    [definition(), 1],
    [null, 3],
  ])
  expect(judge(count(0))).toEqual({ lines: [], atRest: 0 })
  expect(judge(count(2)).lines).toHaveLength(1)
})

test('ends of sessions are those that the clocks have passed, before everybody was asked or meanwhile', () => {
  const ends = definition({ event: SESSION_END, sessionGap: 'PT5S' })
  const resting = expectations([[ends, 1]], 15, 24)
  expect(resting.judge(count(2))).toEqual({ lines: [], atRest: 1 })
  expect(resting.judge(count(3)).lines).toHaveLength(1)
  const moving = expectations([[ends, 1]], 15, 25)
  for (const events of [2, 3]) expect(moving.judge(count(events))).toEqual({ lines: [], atRest: 0 })
  expect(moving.judge(count(1)).lines).toHaveLength(1)
})
