import { describe, expect, it } from 'vitest'
import type { OlapPart, OlapWriter } from '#processors/ports.ts'
import { definitionState, eventLine, HOUR, lateEvent, olapPart, T0 } from './fixtures.ts'

/** What became of one event, as an OLAP store knows it. `store` answers the fresh one of the test under way. */
export const copiesContract = (name: string, store: () => OlapWriter): void => {
  const write = (...parts: OlapPart[]) => store().write({ parts })
  const copies = (id: string, from = 0, tenant = 'main') => store().copies({ tenant, id, from })

  describe(`${name}: copies of an event`, () => {
    it('are none of an id that nobody sent, and say how far the store is', async () => {
      await write(olapPart(1, { sequence: 12, events: [eventLine('a')] }))
      const nothing = { stored: null, deadLetter: null, duplicate: null, occurrences: 0, sequences: [12, 0] }
      expect(await copies('b')).toEqual(nothing)
      expect(await copies('a', 0, 'other')).toEqual(nothing)
      expect(await copies('a', T0 + 1)).toEqual(nothing)
    })

    it('are the stored event with all that metrics read', async () => {
      const line = eventLine('a', {
        source: 'import-1',
        country: 'NL',
        browser: 'Firefox',
        time: T0 - HOUR,
        key: 'k',
        weight: 2,
        e: { userId: 'u', properties: { path: '/x', list: [1, null] }, context: { page: 'p' } },
      })
      await write(olapPart(1, { events: [eventLine('b'), line] }))
      expect((await copies('a', T0)).stored).toEqual({ partition: 0, sequence: 1, line })
    })

    it('are counted of every kind', async () => {
      const line = eventLine('a')
      const repeated = [{ sequence: 1, lines: [line, line].map((one) => JSON.stringify(one)), indexes: [7, 9] }]
      await write(olapPart(1, { events: [line], repeated }))
      const other = eventLine('a', { key: 'another' })
      await write(
        olapPart(2, { late: [lateEvent(line, { sequence: 2 }), lateEvent(other, { sequence: 2, index: 1 })] }),
      )
      expect(await copies('a')).toMatchObject({
        stored: { sequence: 1 },
        deadLetter: { sequence: 2, code: 'LATE', message: 'older than the horizon' },
        duplicate: { sequence: 2 },
        occurrences: 5,
      })
    })

    it.each(['x\u0000"\\😀', "'; DROP TABLE raw_events; --", 'a'.repeat(128)])('are found by the id %j', async (id) => {
      await write(olapPart(1, { events: [eventLine(id)] }))
      expect((await copies(id)).stored?.line.e.id).toBe(id)
    })
  })

  describe(`${name}: definitions at a place of the log`, () => {
    const at = async (sequence: number, partition = 0, tenant = 'main') =>
      (await store().definitions({ tenant, partition, sequence })).map(
        ({ name: metric, version }) => `${metric} ${version}`,
      )

    it('are those that had taken effect before it, in its partition', async () => {
      const one = { ...definitionState('views', 'COUNT'), sequence: 3 }
      const two = { ...definitionState('views', 'COUNT', { version: 2 }), sequence: 8 }
      const gone = { ...definitionState('views', 'COUNT', { version: 3, deleted: true }), sequence: 12 }
      await write(
        olapPart(1, { definitions: [one, two, gone] }),
        olapPart(1, { partition: 1, definitions: [{ ...one, sequence: 5 }] }),
      )
      expect([await at(3), await at(4), await at(8), await at(9), await at(13)]).toEqual([
        [],
        ['views 1'],
        ['views 1'],
        ['views 2'],
        [],
      ])
      expect([await at(5, 1), await at(6, 1), await at(99, 1)]).toEqual([[], ['views 1'], ['views 1']])
      expect(await at(9, 0, 'other')).toEqual([])
    })
  })
}
