import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { AggregateRow } from '#schema/checkpoint.ts'
import { mergeState, stateFromJson, stateToJson } from '#schema/measures.ts'
import { mergeDeltas } from './merge-deltas.ts'

const some = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined })
const number = fc.integer({ min: -1_000, max: 1_000 })
const row: fc.Arbitrary<AggregateRow> = fc.record({
  tenant: fc.constantFrom('main', 'other'),
  metric: fc.constantFrom('a', 'b'),
  version: fc.constantFrom(1, 2),
  size: fc.constantFrom(60_000, 30_000),
  start: fc.constantFrom(0, 60_000),
  dims: fc.array(fc.constantFrom('x', '-', '1:x', null), { minLength: 2, maxLength: 2 }),
  events: fc.nat(9),
  corrections: fc.nat(3),
  correctedAt: some(fc.nat(9)),
  n: some(number),
  shed: some(number),
  sum: some(fc.double({ min: -1e9, max: 1e9, noNaN: true })),
  comp: some(fc.double({ min: -1e-9, max: 1e-9, noNaN: true })),
  min: some(number),
  max: some(number),
  members: some(fc.uniqueArray(fc.nat(20))),
  registers: some(fc.uniqueArray(fc.nat(500), { maxLength: 4 })),
  buckets: some(fc.array(fc.tuple(fc.nat(4), fc.integer({ min: 1, max: 4 })), { maxLength: 3 })),
  items: some(fc.array(fc.tuple(fc.constantFrom('p', 'q'), fc.integer({ min: 1, max: 4 })), { maxLength: 3 })),
  error: some(fc.nat(3)),
})

const keyOf = ({ tenant, metric, version, size, start, dims }: AggregateRow): string =>
  JSON.stringify([tenant, metric, version, size, start, dims])

/** Without the order in which members and counts stand. */
const measured = (one: Partial<AggregateRow>) => {
  const json = stateToJson(stateFromJson(one))
  const sorted = (list: unknown[] | undefined) => list && [...list].sort((a, b) => (String(a) < String(b) ? -1 : 1))
  return { ...json, members: sorted(json.members), buckets: sorted(json.buckets), items: sorted(json.items) }
}

test('merged deltas come to what the deltas come to', () => {
  fc.assert(
    fc.property(fc.array(row, { maxLength: 30 }), (rows) => {
      const before = structuredClone(rows)
      const merged = mergeDeltas(rows)
      expect(rows).toEqual(before)
      const groups = Map.groupBy(rows, keyOf)
      expect(merged.map(keyOf).sort()).toEqual([...groups.keys()].sort())
      for (const one of merged) {
        const group = groups.get(keyOf(one))!
        const total = stateFromJson(group[0])
        for (const other of group.slice(1)) mergeState(total, stateFromJson(other))
        expect(measured(one)).toEqual(measured(stateToJson(total)))
        expect(one.revisions ?? 1).toBe(group.length)
        expect(one.events).toBe(group.reduce((sum, { events }) => sum + events, 0))
        expect(one.correctedAt).toBe(
          group.reduce<number | undefined>(
            (max, { correctedAt: at }) => (at === undefined ? max : Math.max(max ?? at, at)),
            undefined,
          ),
        )
      }
    }),
  )
})

test('what the rounding of a sum lost is merged where it stands alone', () => {
  const key = { tenant: 'main', metric: 'a', version: 1, size: 60_000, start: 0, dims: [], events: 1, corrections: 0 }
  const [merged] = mergeDeltas([
    { ...key, comp: 1 },
    { ...key, comp: 2 },
  ])
  expect((merged.sum ?? 0) + (merged.comp ?? 0)).toBe(3)
})
