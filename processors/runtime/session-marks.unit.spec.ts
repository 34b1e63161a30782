import { expect, test } from 'vitest'
import { SESSIONS, type SegmentSession } from '#schema/checkpoint.ts'
import { createMarks } from './marks.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

/** A row of the session that starts at 0 and ends at `end`. */
const row = (end: number, changedAt: number, over: Partial<SegmentSession> = {}): SegmentSession => ({
  tenant: 'main',
  metric: 'visits',
  version: 1,
  gap: MINUTE,
  source: 'live',
  session: 's',
  start: 0,
  end,
  dims: [],
  events: 1,
  corrections: 0,
  revision: 1,
  changed: 1,
  changedAt,
  ...over,
})
const newMarks = (known: Parameters<typeof createMarks>[0] = []) => createMarks(known, () => HOUR)
const mark = { tenant: 'main', metric: 'visits', size: MINUTE, sessions: true, mark: 2 * MINUTE } as const

test('a session leaves two hours after its end and its last change, and the mark is its end', () => {
  const marks = newMarks()
  const [ended, changed] = [row(2 * MINUTE, 0), row(MINUTE, 3 * HOUR, { session: 'late' })]
  marks.note([], [ended, changed])
  marks.advance(2 * MINUTE + 2 * HOUR)
  expect([marks.list(), marks.isLiveSession(ended)]).toEqual([[], true])
  marks.advance(2 * MINUTE + 2 * HOUR + 1)
  expect(marks.list()).toEqual([mark])
  expect([ended, changed].map(marks.isLiveSession)).toEqual([false, true])
})

test('a series that fell silent stays for as long as its session, and so does what was retracted', () => {
  const marks = newMarks()
  const silent = row(MINUTE, 0, { dims: ['a'] })
  const retracted = row(MINUTE, 5 * HOUR, { start: 9, retracted: true, events: 0 })
  marks.note([], [silent, row(4 * HOUR, 4 * HOUR, { dims: ['b'] }), retracted])
  marks.advance(6 * HOUR)
  expect([silent, retracted].map(marks.isLiveSession)).toEqual([true, true])
  marks.advance(6 * HOUR + 1)
  expect([silent, retracted].map(marks.isLiveSession)).toEqual([false, true])
})

test('the mark of sessions outlives its owner, and is none of slices of that size', () => {
  const marks = newMarks([mark])
  expect(marks.list()).toEqual([mark])
  const slice = { ...row(0, 0), size: MINUTE, start: 0, revision: 1 }
  expect(marks.isLive(slice)).toBe(true)
})

test('rows that stand for sessions themselves are not read by live views', () => {
  const marks = newMarks()
  const itself = row(MINUTE, 0, { metric: SESSIONS })
  marks.note([], [itself])
  expect(marks.isLiveSession(itself)).toBe(false)
})
