import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type FoldedRow, OTHER } from '#schema/checkpoint.ts'
import { LIMITS } from '#schema/limits.ts'
import { measureOf } from '#schema/measures.ts'
import { nameOf } from './series-names.ts'
import { SliceStore } from './slices.ts'

const MINUTE = 60_000
const HEAD = { tenant: 'main', metric: 'views', version: 1 }
const newStore = () => new SliceStore(MINUTE, measureOf({ kind: 'COUNT' }))
const fold = (store: SliceStore, name: string): void => store.add(0, nameOf([name]), undefined, 1, -1, 0)
const eventsOf = (rows: readonly FoldedRow[]): Map<string, number> => {
  const events = new Map<string, number>()
  for (const { dims, events: more } of rows) events.set(dims[0]!, (events.get(dims[0]!) ?? 0) + more)
  return events
}

/** What fills the places for names as they come. */
const filled = () => {
  const store = newStore()
  for (let i = 0; i < LIMITS.seriesAsTheyCome; i++) fold(store, `first ${i}`)
  return { store, rows: store.take(HEAD) }
}

/** By Zipf's law: the i-th of many names comes about 1 / i times as often as the first. */
const zipf = fc.array(
  fc.double({ min: 0, max: 1, noNaN: true }).map((u) => `name ${Math.floor(20_000 ** u)}`),
  { minLength: 2_000, maxLength: 4_000 },
)

test('past the cap the heavy names are found, the sum is exact, and a restart anywhere gives the same rows', () => {
  fc.assert(
    fc.property(zipf, fc.nat(1_999), (stream, cut) => {
      const { store, rows } = filled()
      for (const name of stream.slice(0, cut)) fold(store, name)
      rows.push(...store.take(HEAD))
      const restarted = newStore()
      for (const row of rows) restarted.restore(row, 0)
      for (const name of stream.slice(cut)) for (const each of [store, restarted]) fold(each, name)
      const rest = store.take(HEAD)
      expect(restarted.take(HEAD)).toEqual(rest)

      const events = eventsOf([...rows, ...rest])
      expect([...events.values()].reduce((sum, n) => sum + n, 0)).toBe(LIMITS.seriesAsTheyCome + stream.length)
      const truth = Map.groupBy(stream, (name) => name)
      for (const [name, { length }] of truth) {
        // All of these are far above a thousandth, so only the least number of events matters.
        if (length >= 16) expect(events.get(name)).toBe(length - 15)
        else expect(events.has(name)).toBe(false)
      }
      expect(events.get(OTHER)).toBeGreaterThan(0)
    }),
    { numRuns: 15 },
  )
})

test('when there are no places left, the names that have one keep it', () => {
  const { store } = filled()
  const most = LIMITS.seriesPerWindow - LIMITS.seriesAsTheyCome + 100
  for (let i = 0; i < most; i++) for (let n = 0; n < 16; n++) fold(store, `name ${i}`)
  fold(store, 'name 0')
  const events = eventsOf(store.take(HEAD))
  expect(store.seriesCount).toBe(LIMITS.seriesPerWindow)
  expect([events.get('name 0'), events.has(`name ${most - 1}`)]).toEqual([2, false])
})

test('below the cap nothing is counted beside the series', () => {
  const { rows } = filled()
  expect(rows.every(({ unnamed }) => unnamed === undefined)).toBe(true)
})
