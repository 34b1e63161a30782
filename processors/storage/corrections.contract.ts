import { describe, expect, it } from 'vitest'
import type { OlapWriter } from '#processors/ports.ts'
import { SESSIONS } from '#schema/checkpoint.ts'
import type { CorrectionsQuery } from '#schema/olap.ts'
import { aggregateRow, definitionState, GAP, HOUR, MINUTE, olapPart, sessionRow, T0 } from './fixtures.ts'

const definitions = [definitionState('page_views', 'COUNT')]

/** What every OLAP store must list of late changes, the one in memory included. Stores of two partitions. */
export const correctionsContract = (name: string, olap: () => OlapWriter): void => {
  const page = (query: Partial<CorrectionsQuery> = {}) =>
    olap().corrections({ tenant: 'main', from: 0, to: Date.UTC(2100, 0), first: 100, ...query })
  const listed = async (query?: Partial<CorrectionsQuery>) =>
    (await page(query)).nodes.map(({ at: _, ...correction }) => correction)
  const write = (checkpoint: number, fields: Parameters<typeof olapPart>[1]) =>
    olap().write({ parts: [olapPart(checkpoint, fields)] })
  const point = { metric: 'page_views', version: 1, windowStart: T0, windowEnd: T0 + MINUTE, dimensions: ['NL'] }

  describe(`${name}: corrections of slices`, () => {
    it('list the point of all partitions before and after, once, however often the batch is written', async () => {
      await write(1, { aggregates: [aggregateRow({ n: 2, events: 2 })], definitions })
      expect(await listed()).toEqual([])
      const parts = [
        olapPart(2, { aggregates: [aggregateRow({ n: 3, events: 3, corrections: 2 }), aggregateRow()] }),
        olapPart(1, { partition: 1, aggregates: [aggregateRow({ corrections: 1 }), aggregateRow({ dims: ['DE'] })] }),
      ]
      await olap().write({ parts })
      await olap().write({ parts })
      expect(await listed()).toEqual([{ ...point, from: 2, to: 7, events: 3 }])
    })

    it('begin with null where there was no point, and go on from each other, newest first', async () => {
      await write(1, { aggregates: [aggregateRow({ corrections: 1 })], definitions })
      await write(2, { aggregates: [aggregateRow({ n: 4, corrections: 4 })] })
      expect(await listed()).toEqual([
        { ...point, from: 1, to: 5, events: 4 },
        { ...point, from: null, to: 1, events: 1 },
      ])
    })

    it('have no value where the measure has none, or nobody knows how it was measured', async () => {
      const average = { metric: 'average', n: 0, corrections: 1 }
      const aggregates = [aggregateRow(average), aggregateRow({ metric: 'unknown', corrections: 1 })]
      await write(1, { aggregates, definitions: [definitionState('average', 'AVG')] })
      expect(await listed()).toMatchObject([
        { from: null, to: null },
        { from: null, to: null },
      ])
    })

    it('are not there without their checkpoint', async () => {
      const parts = [
        olapPart(1, { aggregates: [aggregateRow({ corrections: 1 })] }),
        olapPart(3, { partition: 1, after: 2 }),
      ]
      await expect(olap().write({ parts })).rejects.toThrow()
      expect(await listed()).toEqual([])
    })

    it('are of one tenant, of one metric where that is asked for, and of windows of any size', async () => {
      const others = [{ tenant: 'other' }, { metric: 'other' }, { size: HOUR, start: T0 - HOUR }]
      const aggregates = [{}, ...others].map((fields) => aggregateRow({ corrections: 1, ...fields }))
      await write(1, { aggregates, definitions })
      expect(await listed({ tenant: 'other' })).toHaveLength(1)
      expect(await listed()).toHaveLength(3)
      expect(await listed({ metric: 'other' })).toMatchObject([{ metric: 'other' }])
      expect(await listed({ metric: 'page_views' })).toContainEqual(
        expect.objectContaining({ windowStart: T0 - HOUR, windowEnd: T0 }),
      )
    })

    it('come in pages', async () => {
      const aggregates = Array.from({ length: 5 }, (_, i) => aggregateRow({ start: T0 + i * MINUTE, corrections: 1 }))
      await write(1, { aggregates, definitions })
      const first = await page({ first: 3 })
      const rest = await page({ first: 3, after: first.endCursor ?? undefined })
      expect([first.nodes.length, first.hasNextPage, rest.nodes.length, rest.hasNextPage]).toEqual([3, true, 2, false])
      const starts = [...first.nodes, ...rest.nodes].map(({ windowStart }) => windowStart)
      expect(new Set(starts).size).toBe(5)
    })
  })

  describe(`${name}: corrections of sessions`, () => {
    const session = { metric: 'page_views', version: 1, windowStart: T0, windowEnd: T0 + GAP, dimensions: ['s', 'NL'] }

    it('list what a session has got since it ended', async () => {
      await write(1, { sessions: [sessionRow({ corrections: 1 })], definitions })
      await write(2, { sessions: [sessionRow({ corrections: 1, events: 2, n: 2, revision: 2 })] })
      await write(3, { sessions: [sessionRow({ corrections: 3, events: 4, n: 4, revision: 3 })] })
      expect(await listed()).toEqual([
        { ...session, from: 2, to: 4, events: 2 },
        { ...session, from: null, to: 1, events: 1 },
      ])
    })

    it('do not list again what a session had brought to where it has gone', async () => {
      const [early, late] = [
        sessionRow({ corrections: 1, events: 2, n: 2 }),
        sessionRow({ start: T0 + 1, corrections: 5, n: 5, events: 5 }),
      ]
      await write(1, { sessions: [early, late], definitions })
      const gone = { ...late, n: undefined, events: 0, corrections: 0, revision: 2, retracted: true as const }
      await write(2, { sessions: [gone, { ...early, corrections: 7, n: 8, events: 8, revision: 2 }] })
      expect((await listed())[0]).toEqual({ ...session, from: 2, to: 8, events: 1 })
    })

    it('leave out the rows that stand for sessions themselves', async () => {
      await write(1, { sessions: [sessionRow({ metric: SESSIONS, corrections: 1 })], definitions })
      expect(await listed()).toEqual([])
    })
  })
}
