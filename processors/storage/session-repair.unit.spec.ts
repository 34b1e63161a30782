import { expect, it } from 'vitest'
import type { SegmentSession } from '#schema/checkpoint.ts'
import { GAP, MINUTE, sessionRow, T0 } from './fixtures.ts'
import { repairSessions } from './session-repair.ts'

const live = (fields: Partial<SegmentSession> = {}): SegmentSession => ({
  ...sessionRow(fields),
  changed: 5,
  changedAt: T0,
  ...fields,
})

it('takes the rows that the processor had at the checkpoint, those that it retracted included', () => {
  const rows = [live(), live({ session: 'r', retracted: true }), live({ session: 'later', changed: 6 })]
  expect(repairSessions([], rows, 5)).toEqual({
    replaced: [],
    sessions: [sessionRow(), sessionRow({ session: 'r', retracted: true })],
  })
})

it.each([
  ['of the same start, whatever its revision', { revision: 99 }, true],
  ['that begins within it', { start: T0 + 9 * MINUTE, end: T0 + 9 * MINUTE + GAP }, true],
  ['that ends within it', { start: T0 - MINUTE, end: T0 + GAP }, true],
  ['behind its last event', { start: T0 + 11 * MINUTE, end: T0 + 11 * MINUTE + GAP }, false],
  ['before its first event', { start: T0 - 2, end: T0 - 1 + GAP }, false],
  ['of another source', { source: 'import' }, false],
  ['of another id', { session: 't' }, false],
  ['of another version', { version: 2 }, false],
])('replaces a stored session %s: %s', (_, fields, isReplaced) => {
  const held = sessionRow(fields)
  // Its two series end apart.
  const rows = [live({ dims: ['DE'] }), live({ end: T0 + 10 * MINUTE + GAP })]
  expect(repairSessions([held], rows, 5).replaced).toEqual(isReplaced ? [held] : [])
})

it('replaces nothing for what the processor has retracted', () => {
  expect(repairSessions([sessionRow()], [live({ retracted: true })], 5).replaced).toEqual([])
})
