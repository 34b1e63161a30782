import { describe, expect, it } from 'vitest'
import type { OlapWriter } from '#processors/ports.ts'
import { aggregateRow, eventLine, HOUR, MINUTE, olapPart, T0 } from './fixtures.ts'

const minutes = async (olap: OlapWriter) => {
  const series = { tenant: 'main', metric: 'page_views', version: 1, size: MINUTE }
  return (await olap.aggregates({ ...series, from: 0, to: 2 * T0 })).rows
}
/** Close to the greatest, and one that a store which knows members by less than their hash gives back. */
export const GREAT_MEMBER = (2 ** 14 - 1) * 2 ** 39 + 4_095

/** What every OLAP store must do with deltas and positions, the one in memory included. Stores of two partitions. */
export const deltasContract = (name: string, olap: () => OlapWriter): void => {
  const stored = async (): Promise<number> => (await olap().totals('main')).stored

  describe(`${name}: positions`, () => {
    it('starts at 0 everywhere and moves with the rows', async () => {
      expect(await olap().positions()).toEqual([0, 0])
      await olap().write({
        parts: [olapPart(3, { after: 0, events: [eventLine('a')] }), olapPart(1, { partition: 1 })],
      })
      expect(await olap().positions()).toEqual([3, 1])
      expect(await stored()).toBe(1)
    })

    it('leaves out a part that is stored already and writes the other', async () => {
      const first = olapPart(1, { events: [eventLine('a')], aggregates: [aggregateRow()], duplicates: { main: 2 } })
      await olap().write({ parts: [first] })
      await olap().write({ parts: [first, olapPart(1, { partition: 1, events: [eventLine('b')] })] })
      expect(await stored()).toBe(2)
      expect((await minutes(olap()))[0]).toMatchObject({ events: 1, revision: 1 })
      expect((await olap().totals('main')).duplicate).toBe(2)
    })

    it('refuses a part that leaves a checkpoint out, and writes nothing of the batch', async () => {
      const parts = [olapPart(1, { events: [eventLine('a')] }), olapPart(3, { partition: 1, after: 2 })]
      await expect(olap().write({ parts })).rejects.toThrow('partition 1: the store is at checkpoint 0')
      expect(await olap().positions()).toEqual([0, 0])
      expect(await stored()).toBe(0)
    })
  })

  describe(`${name}: aggregates`, () => {
    it('merges deltas of checkpoints and partitions into one row per slice and series', async () => {
      const delta = (fields: object) => aggregateRow({ n: 2, events: 2, sum: 1.5, min: 3, max: 4, ...fields })
      await olap().write({
        parts: [
          olapPart(1, { aggregates: [delta({ members: [1, 2] }), aggregateRow({ dims: [null], start: T0 - MINUTE })] }),
          olapPart(1, {
            partition: 1,
            aggregates: [delta({ min: -1, corrections: 1, correctedAt: T0 + 70_000, members: [2, GREAT_MEMBER] })],
          }),
        ],
      })
      await olap().write({
        parts: [
          olapPart(2, { aggregates: [delta({ sum: -0.5, max: 1e308, corrections: 2, correctedAt: T0 + 60_000 })] }),
        ],
      })
      const key = { tenant: 'main', metric: 'page_views', version: 1, size: MINUTE }
      expect(await minutes(olap())).toEqual([
        { ...key, start: T0 - MINUTE, dims: [null], events: 1, corrections: 0, n: 1, revision: 1 },
        {
          ...key,
          start: T0,
          dims: ['NL'],
          events: 6,
          corrections: 3,
          correctedAt: T0 + 70_000,
          n: 6,
          sum: 2.5,
          min: -1,
          max: 1e308,
          members: [1, 2, GREAT_MEMBER],
          revision: 3,
        },
      ])
    })

    it('answers one metric, version, size and range of one tenant, with the positions of the same moment', async () => {
      const others = [
        { tenant: 'other' },
        { metric: 'other' },
        { version: 2 },
        { size: HOUR },
        { size: 1000 },
        { start: T0 - 1 },
        { start: T0 + 2 * MINUTE },
      ]
      const rows = [aggregateRow(), ...others.map((fields) => aggregateRow(fields))]
      await olap().write({ parts: [olapPart(4, { after: 0, aggregates: rows })] })
      const query = { tenant: 'main', metric: 'page_views', version: 1, from: T0, to: T0 + 2 * MINUTE }
      const answer = await olap().aggregates({ ...query, size: MINUTE })
      expect(answer.rows).toEqual([{ ...aggregateRow(), revision: 1 }])
      expect(answer.positions).toEqual([4, 0])
      expect((await olap().aggregates({ ...query, size: HOUR })).rows).toHaveLength(1)
      expect((await olap().aggregates({ ...query, size: 1000 })).rows).toHaveLength(1)
    })
  })
}

/** What a store that is a process or a file of its own does beyond that. */
export const storedDeltasContract = (name: string, olap: () => OlapWriter): void => {
  describe(`${name}: stored aggregates`, () => {
    it('adds sums of money to the cent, whatever order they came in', async () => {
      const rows = Array.from({ length: 1000 }, () => aggregateRow({ sum: 0.1 }))
      await olap().write({ parts: [olapPart(1, { aggregates: [aggregateRow({ sum: 1e9 }), ...rows] })] })
      expect((await minutes(olap()))[0].sum).toBe(1_000_000_100)
    })

    it('keeps text in a dimension that is no valid text readable', async () => {
      await olap().write({
        parts: [olapPart(1, { aggregates: [aggregateRow({ dims: ['a\ud83d', '\ufeffb\u0000'] })] })],
      })
      expect((await minutes(olap()))[0].dims).toEqual(['a\ufffd', '\ufeffb\u0000'])
    })
  })
}
