import { expect, test } from 'vitest'
import type { SegmentRow } from '#schema/checkpoint.ts'
import { sliceRetention } from '#schema/slice-retention.ts'
import { createMarks } from './marks.ts'

const HOUR = 3_600_000
const plain = (_tenant: string, _metric: string, size: number): number => sliceRetention(undefined, size)
const row = (start: number, changedAt: number, size = 60_000): SegmentRow => ({
  tenant: 'main',
  metric: 'views',
  version: 1,
  size,
  start,
  dims: [],
  events: 1,
  corrections: 0,
  changed: 1,
  changedAt,
  revision: 1,
})

test('a minute leaves two hours after its end and its last change, an hour window after two days', () => {
  const marks = createMarks([], plain)
  marks.note([row(0, 10), row(0, 10, HOUR)])
  marks.advance(60_000 + 2 * HOUR)
  expect(marks.list()).toEqual([])
  marks.advance(60_001 + 2 * HOUR)
  expect(marks.list()).toEqual([{ tenant: 'main', metric: 'views', size: 60_000, mark: 60_000 }])
  marks.advance(HOUR + 48 * HOUR + 1)
  expect(marks.list()).toContainEqual({ tenant: 'main', metric: 'views', size: HOUR, mark: HOUR })
})

test('slices of a longer window stay until its end has been passed by as much', () => {
  const day = { kind: 'SLIDING' as const, sizeMs: 24 * HOUR, slideMs: 60_000 }
  const marks = createMarks([], (_tenant, _metric, size) => sliceRetention({ windows: [day] }, size))
  marks.note([row(0, 10)])
  marks.advance(26 * HOUR)
  expect(marks.list()).toEqual([])
  marks.advance(26 * HOUR + 1)
  expect(marks.list()).toEqual([{ tenant: 'main', metric: 'views', size: 60_000, mark: 60_000 }])
})

test('a late change keeps a window; one ahead of the clock raises no mark', () => {
  const marks = createMarks([], plain)
  marks.note([row(0, 2 * HOUR), row(24 * HOUR, 0)])
  marks.advance(3 * HOUR)
  expect(marks.list()).toEqual([])
})

test('marks of a head are kept, and what they hide is not live', () => {
  const marks = createMarks([{ tenant: 'main', metric: 'views', size: 60_000, mark: 120_000 }], plain)
  expect(marks.isLive(row(60_000, 0))).toBe(false)
  expect(marks.isLive(row(120_000, 0))).toBe(true)
})
