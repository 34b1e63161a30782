import { expect, test } from 'vitest'
import type { ClockReport, PartitionReport } from '#schema/report.ts'
import { heldBackBy, heldBy, inWords, lowestActive, type PartitionKnown } from './held-by.ts'

const NOON = Date.UTC(2026, 0, 1, 12)

const clock = (over: Partial<ClockReport> = {}): ClockReport => ({
  tenant: 'main',
  source: 'live',
  watermark: NOON - 5_000,
  idle: false,
  ...over,
})
const known = (report: Partial<PartitionReport> = {}, over: Partial<PartitionKnown> = {}): PartitionKnown => ({
  partition: 0,
  isOwned: true,
  report: {
    partition: 0,
    owner: 'o',
    epoch: 1,
    checkpoint: 1,
    sequence: 1,
    pendingFrames: 0,
    pendingEvents: 0,
    lagSeconds: 0,
    clocks: [],
    at: NOON,
    ...report,
  },
  ...over,
})
const by = { id: 'e1', name: 'page_view', key: 's1', time: NOON, counted: NOON, sequence: 4711 }
const follows = { watermark: NOON, partitions: [3, 5] }

test.each([
  [
    'an event',
    heldBy(known(), clock({ pushedBy: by }), undefined),
    'event e1 (page_view, key s1) of 2026-01-01T12:00:00.000Z in frame 4711 pushed it, less 5 s',
  ],
  [
    'an event from the future',
    heldBy(known(), clock({ pushedBy: { ...by, key: 'e1', time: NOON + 3_600_000 } }), undefined),
    'event e1 (page_view) of 2026-01-01T13:00:00.000Z (in the future: 2026-01-01T12:00:00.000Z, when it came, counts) in frame 4711 pushed it, less 5 s',
  ],
  [
    'events ahead that pushed nobody',
    heldBy(known(), clock({ pushedBy: by, ahead: { events: 3, byMs: 7_200_000, sequence: 4712 } }), undefined),
    expect.stringMatching(
      /pushed it, less 5 s; times from the future in frame 4712 pushed nobody: 3 events, up to 2 h ahead$/,
    ),
  ],
  [
    'a backlog',
    heldBy(known({ lagSeconds: 3.2, pendingEvents: 1_204 }), clock(), undefined),
    'waits: 1,204 events are not settled yet, the oldest is 3.2 s old',
  ],
  [
    'another partition',
    heldBy(known(), clock({ idle: true, lastEventAt: NOON }), follows),
    'idle, no event since 2026-01-01T12:00:00.000Z: follows partition 3, whose clock is the lowest active one',
  ],
  [
    'idleness everywhere',
    heldBy(known(), clock({ idle: true }), undefined),
    'idle, and so is every partition: moves on with the wall clock while a window is open',
  ],
  [
    'an owner that went away',
    heldBy(known({}, { isOwned: false }), clock(), undefined),
    'no processor owns the partition: the last one reported at 2026-01-01T12:00:00.000Z',
  ],
  [
    'a processor that refuses it',
    heldBy({ partition: 0, isOwned: false, refused: 'it has format 9' }, null, undefined),
    'no processor can own the partition: it has format 9',
  ],
  ['no event', heldBy(known(), null, undefined), 'no event has come to this partition'],
])('a clock that is held by %s says so', (_, said, expected) => expect(said).toEqual(expected))

test('what was ahead before the event that pushed is not told', () => {
  const ahead = { events: 1, byMs: 7_200_000, sequence: 4710 }
  expect(heldBy(known(), clock({ pushedBy: by, ahead }), undefined)).not.toContain('future')
})

test('the lowest active clock of a source holds it back, the idle ones do not', () => {
  const lowest = lowestActive([
    { partition: 0, clock: clock({ watermark: NOON - 9_000, idle: true }) },
    { partition: 1, clock: clock() },
    { partition: 2, clock: clock() },
    { partition: 3, clock: clock({ watermark: NOON }) },
    { partition: 3, clock: clock({ source: 'import-a', watermark: 0 }) },
  ])
  expect(lowest.get('live')).toEqual({ watermark: NOON - 5_000, partitions: [1, 2] })
  expect(heldBackBy('live', lowest.get('live'), [0])).toBe(
    'live: partitions 1, 2 at 2026-01-01T11:59:55.000Z; idle: partition 0',
  )
  expect(heldBackBy('live', undefined, [0])).toContain('every partition is idle')
})

test('durations are told in the largest unit that reads well', () => {
  expect([120, 5_000, 90_000, 750_000, 93_600_000].map(inWords)).toEqual(['120 ms', '5 s', '90 s', '12.5 min', '26 h'])
  expect([999.6, 119_999, 7_199_999].map(inWords)).toEqual(['1 s', '2 min', '2 h'])
})
