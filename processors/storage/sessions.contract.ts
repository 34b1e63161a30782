import { describe, expect, it } from 'vitest'
import type { OlapWriter } from '#processors/ports.ts'
import { SESSIONS, type SessionRow } from '#schema/checkpoint.ts'
import { DEFAULT_LATENESS_HORIZON_MS, RETENTION } from '#schema/limits.ts'
import type { SessionsQuery } from '#schema/olap.ts'
import { GREAT_MEMBER } from './deltas.contract.ts'
import { definitionState, GAP, MINUTE, olapPart, sessionRow, T0 } from './fixtures.ts'

const series = { tenant: 'main', metric: 'page_views', version: 1, gap: GAP }
const retraction = (row: SessionRow): SessionRow => {
  const { n: _, ended: __, ...rest } = row
  return { ...rest, events: 0, corrections: 0, revision: row.revision + 1, retracted: true }
}

const asking = (olap: () => OlapWriter) => ({
  write: (checkpoint: number, sessions: SessionRow[], fields: Parameters<typeof olapPart>[1] = {}) =>
    olap().write({ parts: [olapPart(checkpoint, { sessions, ...fields })] }),
  sessions: async (query: Partial<SessionsQuery> = {}) =>
    (await olap().sessions({ ...series, from: 0, to: 2 * T0, ...query })).rows,
  newest: async (count: number, before = 2 * T0) =>
    (await olap().newestSessions({ ...series, before, count })).rows.map(({ session, dims }) => `${session} ${dims}`),
})

/** What every OLAP store must do with rows of sessions, the one in memory included. Stores of two partitions. */
export const sessionsContract = (name: string, olap: () => OlapWriter): void => {
  const { write, sessions, newest } = asking(olap)

  describe(`${name}: sessions`, () => {
    it('gives a row back with all that it had', async () => {
      const measured = { n: 2, sum: -0.5, min: 0, max: 1e308, members: [1, GREAT_MEMBER] }
      const row = sessionRow({ dims: ['NL', null], events: 7, corrections: 2, revision: 3, ended: 41, ...measured })
      await write(1, [row])
      expect(await sessions()).toEqual([row])
    })

    it.each([
      ['in one checkpoint', 0],
      ['in one each', 1],
    ])('keeps the row of the highest revision of each series, in whatever order they come (%s)', async (_, step) => {
      const [first, second] = [sessionRow(), sessionRow({ events: 2, n: 2, end: T0 + GAP + 1, revision: 2 })]
      const other = sessionRow({ dims: ['DE'] })
      if (step === 0) await write(1, [second, other, first])
      else {
        await write(1, [second])
        await write(2, [other])
        await write(3, [first])
      }
      expect(await sessions()).toEqual([other, second])
    })

    it('has them with the positions of their checkpoint, once, or not at all', async () => {
      const parts = [olapPart(1, { sessions: [sessionRow()] }), olapPart(3, { partition: 1, after: 2 })]
      await expect(olap().write({ parts })).rejects.toThrow()
      expect(await sessions()).toEqual([])
      await olap().write({ parts: parts.slice(0, 1) })
      await olap().write({ parts: parts.slice(0, 1) })
      const answer = await olap().sessions({ ...series, from: 0, to: 2 * T0 })
      expect(answer).toEqual({ rows: [sessionRow()], positions: [1, 0] })
    })

    it('leaves what was retracted out, unless it is asked for', async () => {
      const [old, kept] = [sessionRow(), sessionRow({ start: T0 - 1, events: 2 })]
      await write(1, [old])
      await write(2, [retraction(old), kept])
      expect(await sessions()).toEqual([kept])
      expect(await sessions({ retracted: true })).toEqual([kept, retraction(old)])
    })

    it('answers one metric, version, gap and range of starts of one tenant', async () => {
      const others = [
        { tenant: 'other' },
        { metric: 'other' },
        { version: 2 },
        { gap: MINUTE },
        { start: T0 - 1 },
        { start: T0 + MINUTE },
      ].map((fields) => sessionRow(fields))
      const found = [sessionRow(), sessionRow({ source: 'import' }), sessionRow({ start: T0 + MINUTE - 1 })]
      await write(1, [...others, ...found])
      expect(await sessions({ from: T0, to: T0 + MINUTE })).toEqual([found[1], found[0], found[2]])
    })

    it('answers the newest sessions before a time, with all series that they have', async () => {
      const rows = Array.from({ length: 30 }, (_, i) =>
        ['NL', 'DE'].map((country) => sessionRow({ session: `s${i}`, start: T0 + i, dims: [country] })),
      ).flat()
      await write(1, rows)
      expect(await newest(2)).toEqual(['s28 DE', 's28 NL', 's29 DE', 's29 NL'])
      expect(await newest(1, T0 + 2)).toEqual(['s1 DE', 's1 NL'])
      expect(await newest(100)).toHaveLength(60)
      expect(await newest(3, T0)).toEqual([])
    })

    it('looks behind newer rows that do not count', async () => {
      const rows = Array.from({ length: 20 }, (_, i) => sessionRow({ session: `s${i}`, start: T0 + i }))
      await write(1, rows)
      await write(2, rows.slice(5).map(retraction))
      for (let revision = 2; revision < 12; revision++) {
        const changed = sessionRow({ session: 's4', start: T0 + 4, revision, events: revision })
        await write(revision + 1, [changed])
      }
      expect(await newest(3)).toEqual(['s2 NL', 's3 NL', 's4 NL'])
    })

    it('cuts exactly among sessions that start together', async () => {
      await write(1, [sessionRow({ session: 'a' }), sessionRow({ session: 'c' }), sessionRow({ session: 'b' })])
      expect(await newest(2)).toEqual(['b NL', 'c NL'])
    })
  })
}

/** What a store that is written directly must do with them beyond that. */
export const sessionWritesContract = (name: string, olap: () => OlapWriter): void => {
  const { write, sessions } = asking(olap)

  describe(`${name}: sessions that a hole had cut`, () => {
    it('forgets all that it had of sessions that are replaced, whatever their revision, and nothing else', async () => {
      const cut = [sessionRow({ revision: 9, dims: ['DE'] }), sessionRow({ revision: 7 })]
      const others = [sessionRow({ start: T0 + 1 }), sessionRow({ source: 'import' }), sessionRow({ version: 2 })]
      await write(1, [...cut, ...others])
      await write(2, [sessionRow({ revision: 6, events: 3 })], { replaced: cut })
      expect(await sessions()).toEqual([others[1], sessionRow({ revision: 6, events: 3 }), others[0]])
      expect(await sessions({ version: 2 })).toEqual([others[2]])
    })
  })

  describe(`${name}: open sessions`, () => {
    const clock = (source: string, watermark: number) => ({ tenant: 'main', source, watermark, idle: false })
    const open = async (partition = 0) =>
      (await olap().openSessions(partition)).map(({ session, revision }) => `${session} ${revision}`).sort()
    const H = DEFAULT_LATENESS_HORIZON_MS

    it('are those that end at or after the horizon of their source, of the newest rows', async () => {
      const rows = [
        sessionRow({ session: 'closed', end: T0 - 1 }),
        sessionRow({ session: 'open', end: T0 }),
        sessionRow({ session: 'grown', end: T0 - 1 }),
        sessionRow({ session: 'grown', end: T0 + 1, revision: 2 }),
        sessionRow({ session: 'imported', end: T0 - 1, source: 'import' }),
        sessionRow({ session: 'theirs', end: T0 - 1, tenant: 'other' }),
      ]
      await write(1, rows, { clocks: [clock('live', T0 + H)] })
      expect(await open()).toEqual(['grown 2', 'imported 1', 'open 1', 'theirs 1'])
      expect(await open(1)).toEqual([])
    })

    it('go by the horizon of their tenant', async () => {
      const tenants = [{ tenant: 'main', version: 1, latenessHorizonMs: 1_000, outOfOrdernessMs: 0 }]
      await write(1, [sessionRow({ end: T0 - 1 }), sessionRow({ session: 'open', end: T0 })], {
        clocks: [clock('live', T0 + 1_000)],
        tenants,
      })
      expect(await open()).toEqual(['open 1'])
    })

    it('have all series, also those whose last event is long ago', async () => {
      const rows = [sessionRow({ dims: ['NL'], end: T0 - 1 }), sessionRow({ dims: ['DE'], end: T0 })]
      await write(1, rows, { clocks: [clock('live', T0 + H)] })
      expect(await olap().openSessions(0)).toEqual(expect.arrayContaining(rows))
    })

    it('are not those that were retracted', async () => {
      await write(1, [sessionRow()])
      await write(2, [retraction(sessionRow()), sessionRow({ start: T0 - 1 })])
      expect(await olap().openSessions(0)).toEqual([sessionRow({ start: T0 - 1 })])
    })
  })
}

/** What a store that answers SQL does beyond that. */
export const sessionViewsContract = (name: string, olap: () => OlapWriter): void => {
  const { write } = asking(olap)
  const rows = async (statement: string): Promise<unknown[][]> => (await olap().sql(statement)).rows
  const at = (ms: number): string => new Date(T0 + ms).toISOString()

  describe(`${name}: views of sessions`, () => {
    it('show what holds now, with the value of the measure and the end of the session', async () => {
      const [old, moved] = [sessionRow({ session: 'moved' }), sessionRow({ session: 'moved', start: T0 - 1, n: 5 })]
      const definitions = [definitionState('page_views', 'COUNT')]
      await write(1, [sessionRow(), old, sessionRow({ metric: 'unknown' })], { definitions })
      const grown = sessionRow({ dims: ['DE'], end: T0 + GAP + 9, n: 3, events: 2, corrections: 1 })
      await write(2, [retraction(old), moved, sessionRow({ revision: 2, n: 2, events: 2 }), grown])
      const sql = `SELECT session_id, window_start, window_end, dims, events, value, corrections, revision, gap_seconds
        FROM session_points ORDER BY ALL`
      expect(await rows(sql)).toEqual([
        ['moved', at(-1), at(GAP), ['NL'], 1, 5, 0, 1, GAP / 1_000],
        ['s', at(0), at(GAP + 9), ['DE'], 2, 3, 1, 1, GAP / 1_000],
        ['s', at(0), at(GAP + 9), ['NL'], 2, 2, 0, 2, GAP / 1_000],
      ])
    })

    it('show one row a session, with what its first event said', async () => {
      const dims = ['NL', 'Firefox', null, 'desktop', 'u', null]
      const session = { metric: SESSIONS, dims, version: 77, events: 3, n: 3 }
      const [going, over] = [
        sessionRow(session),
        sessionRow({ ...session, end: T0 + GAP + 1_500, revision: 2, ended: 4 }),
      ]
      await write(1, [sessionRow(), going])
      const sql = 'SELECT * EXCLUDE (tenant, source, gap_seconds) FROM sessions'
      expect(await rows(sql)).toEqual([['s', at(0), at(0), 0, 3, false, ...dims]])
      await write(2, [over])
      expect(await rows(sql)).toEqual([['s', at(0), at(1_500), 1.5, 3, true, ...dims]])
      await write(3, [retraction(over)])
      expect(await rows(sql)).toEqual([])
    })
  })
}

/** What a store with upkeep does beyond that. */
export const sessionUpkeepContract = (name: string, olap: () => OlapWriter): void => {
  const { write, sessions } = asking(olap)
  const count = async (): Promise<unknown> => (await olap().sql('SELECT count(*) FROM session_aggs')).rows[0][0]

  describe(`${name}: upkeep of sessions`, () => {
    it('drops rows that newer ones have replaced, and goes on from there', async () => {
      const row = (revision: number) => sessionRow({ revision, events: revision })
      const other = sessionRow({ dims: ['DE'] })
      await write(1, [row(1), other])
      await write(2, [row(2)])
      await olap().maintain(T0)
      expect(await count()).toBe(2)
      await write(3, [row(3)])
      expect(await sessions()).toEqual([other, row(3)])
      await olap().maintain(T0)
      expect(await count()).toBe(2)
      expect(await sessions()).toEqual([other, row(3)])
    })

    it('drops what has not changed for longer than the retention', async () => {
      await write(1, [sessionRow()])
      await olap().maintain(T0 + RETENTION.sessionAggs)
      expect(await sessions()).toHaveLength(1)
      await olap().maintain(T0 + RETENTION.sessionAggs + 1)
      expect(await count()).toBe(0)
    })

    it('makes a dead letter for operators of a row that the store cannot hold, and stores the others', async () => {
      await write(1, [sessionRow({ start: 1e300 }), sessionRow({ dims: ['a\ud83d'] })])
      expect(await sessions()).toEqual([sessionRow({ dims: ['a\ufffd'] })])
      const { nodes } = await olap().deadLetters({ tenant: 'unknown', filter: { code: 'REFUSED' }, first: 10 })
      expect(nodes.map(({ message }) => message)).toEqual([
        expect.stringMatching(/^the store cannot hold a session of page_views of main: .*/),
      ])
    })
  })
}
