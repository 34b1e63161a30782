import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Segment, SegmentRow } from './checkpoint.ts'
import { decodeOutcomes, encodeOutcomes, type Outcome } from './checkpoint.ts'
import { decodeSegment, emptySegment, encodeSegment } from './segment.ts'
import { mergeSegments } from './segment-merge.ts'

const row = (over: Partial<SegmentRow> = {}): SegmentRow => ({
  tenant: 'main',
  metric: 'views',
  version: 1,
  size: 60_000,
  start: 0,
  dims: ['DE', null],
  events: 1,
  corrections: 0,
  n: 1,
  changed: 1,
  changedAt: 1_000,
  revision: 1,
  ...over,
})

test('a segment of many megabytes comes back from chunks that each fit a message', () => {
  const words = Uint32Array.from({ length: 500_000 }, (_, i) => (i * 2654435761) >>> 0)
  const segment: Segment = {
    rows: Array.from({ length: 20_000 }, (_, i) => row({ start: i, dims: [`ä${i}`, null] })),
    sessions: [],
    ids: [{ tenant: 'main', source: 'live', words }],
    clocks: [{ tenant: 'main', source: 'live', watermark: 5, idle: true }],
    definitions: [],
    tenants: [{ tenant: 'main', version: 1, latenessHorizonMs: 1, outOfOrdernessMs: 2 }],
  }
  const chunks = encodeSegment(segment)
  expect(Math.max(...chunks.map(({ length }) => length))).toBeLessThan(1_000_000)
  const back = decodeSegment(chunks)
  expect(back.rows).toEqual(segment.rows)
  expect(back.clocks).toEqual(segment.clocks)
  expect(back.tenants).toEqual(segment.tenants)
  expect(back.ids.flatMap((ids) => [...ids.words])).toEqual([...words])
})

test('rows whose text has more bytes than characters, sets of any size and many clocks fit messages as well', () => {
  const text = '\u65e5\u672c'.repeat(128)
  const rows = Array.from({ length: 2_000 }, (_, i) => row({ start: i, dims: [text, text, text, text] }))
  const members = Array.from({ length: 150_000 }, (_, i) => 9_007_199_254_740_991 - i)
  const set = row({ start: -1, events: 7, corrections: 2, correctedAt: 99, n: 7, revision: 5, members })
  const clocks = Array.from({ length: 10_000 }, (_, i) => ({
    tenant: 'main',
    source: `import-${i}-${'x'.repeat(100)}`,
    watermark: 1_800_000_000_000,
    idle: true,
  }))
  const ids = clocks.map(({ tenant, source }, i) => ({ tenant, source, words: Uint32Array.of(i, 2, 3, 4, 5) }))
  const chunks = encodeSegment({ ...emptySegment(), rows: [...rows, set], clocks, ids })
  expect(Math.max(...chunks.map(({ length }) => length))).toBeLessThan(1_000_000)
  const back = mergeSegments([decodeSegment(chunks)])
  const sorted = ({ members: set, ...rest }: SegmentRow) => ({ ...rest, members: set?.toSorted() })
  expect(back.rows.map(sorted)).toEqual([...rows, set].map(sorted))
  expect(back.clocks).toEqual(clocks)
  expect(back.ids).toEqual(ids)
})

test('merging in any grouping says the same', () => {
  const rows = fc.array(
    fc.record({
      start: fc.constantFrom(0, 60_000),
      dim: fc.constantFrom('a', 'b', null),
      n: fc.integer({ min: 1, max: 9 }),
    }),
  )
  fc.assert(
    fc.property(fc.array(rows, { maxLength: 6 }), fc.nat(6), (groups, cutAt) => {
      const segments = groups.map((group, i) => ({
        ...emptySegment(),
        rows: group.map(({ start, dim, n }) =>
          row({ start, dims: [dim], n, min: n, max: n, members: [n], changed: i }),
        ),
      }))
      const cut = Math.min(cutAt, segments.length)
      const parts = [mergeSegments(segments.slice(0, cut)), mergeSegments(segments.slice(cut))]
      const sort = (merged: Segment) =>
        merged.rows
          .map((one) => ({ ...one, members: one.members?.toSorted() }))
          .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
      expect(sort(mergeSegments(parts))).toEqual(sort(mergeSegments(segments)))
    }),
  )
})

test('what is no longer kept leaves; the newest clock and definition win', () => {
  const clock = (watermark: number) => ({ tenant: 'main', source: 'live', watermark, idle: false })
  const merged = mergeSegments(
    [
      {
        ...emptySegment(),
        rows: [row(), row({ start: 60_000 })],
        clocks: [clock(1)],
        ids: [{ tenant: 'main', source: 'live', words: Uint32Array.of(1, 2, 3, 4, 10, 5, 6, 7, 8, 11) }],
      },
      { ...emptySegment(), clocks: [clock(2)] },
    ],
    { row: ({ start }) => start > 0, session: () => true, id: (_tenant, _source, minute) => minute > 10 },
  )
  expect(merged.rows.map(({ start }) => start)).toEqual([60_000])
  expect(merged.clocks).toEqual([clock(2)])
  expect(merged.ids.map(({ words }) => [...words])).toEqual([[5, 6, 7, 8, 11]])
})

test('outcomes are written as run lengths and come back', () => {
  expect(encodeOutcomes(['C', 'C', 'C', 'D', 'L', 'L'])).toBe('3C1D2L')
  fc.assert(
    fc.property(fc.array(fc.constantFrom<Outcome>('C', 'D', 'L', 'I')), (outcomes) => {
      expect(decodeOutcomes(encodeOutcomes(outcomes))).toEqual(outcomes)
    }),
  )
})

test('rows of several slices come back with all that they had', () => {
  const rows = [
    row(),
    row({ dims: ['NL', 'ж'.repeat(256)], sum: 0.1, min: -1, max: 1e308, members: [1, 2 ** 53 - 1] }),
    row({ metric: 'other', version: 3, size: 3_600_000, start: -60_000, dims: [], n: undefined }),
    row({ start: 60_000, tenant: 'constructor', corrections: 1, correctedAt: 120_000, revision: 9, changed: 8 }),
  ]
  expect(decodeSegment(encodeSegment({ ...emptySegment(), rows })).rows).toEqual(rows)
})

test('chunks fit a message whatever alphabet the dimensions are in', () => {
  const rows = Array.from({ length: 20_000 }, (_, i) => row({ dims: ['ж字'.repeat(30), String(i)] }))
  const chunks = encodeSegment({ ...emptySegment(), rows })
  expect(Math.max(...chunks.map(({ length }) => length))).toBeLessThan(1_000_000)
  expect(decodeSegment(chunks).rows).toHaveLength(20_000)
})

test('a segment as format 1 had it is read', () => {
  const json = JSON.stringify({ ids: [], clocks: [], definitions: [], tenants: [], rows: [row()] })
  const chunk = Buffer.alloc(4 + json.length)
  chunk.writeUInt32BE(json.length)
  chunk.write(json, 4)
  expect(decodeSegment([chunk]).rows).toEqual([row()])
})
