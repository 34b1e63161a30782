import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { OlapWriter } from '#processors/ports.ts'
import { RETENTION } from '#schema/limits.ts'
import type { Condition } from '#schema/metric.ts'
import { copiesContract } from './copies.contract.ts'
import { correctionsContract } from './corrections.contract.ts'
import { deltasContract, storedDeltasContract } from './deltas.contract.ts'
import { eventsContract } from './events.contract.ts'
import { aggregateRow, definitionState, eventLine, HOUR, lateEvent, MINUTE, olapPart, T0 } from './fixtures.ts'
import { ledgerContract } from './ledger.contract.ts'
import { measuresContract, measureViewsContract } from './measures.contract.ts'
import {
  sessionsContract,
  sessionUpkeepContract,
  sessionViewsContract,
  sessionWritesContract,
} from './sessions.contract.ts'

/** A fresh store of two partitions; `now` is its clock. */
type OpenOlap = (now: () => number) => Promise<{ olap: OlapWriter; remove(): Promise<void> }>

/** What every OLAP store must do. Adapters run it against themselves. */
export const olapContract = (name: string, open: OpenOlap): void => {
  let olap: OlapWriter
  let remove: () => Promise<void>
  let now = T0
  beforeEach(async () => {
    now = T0
    ;({ olap, remove } = await open(() => now))
  })
  afterEach(() => remove())

  const everything = { tenant: 'main', from: 0, to: Date.UTC(2100, 0), where: [] as Condition[], first: 1000 }
  const storedIds = async (query: Partial<typeof everything> = {}): Promise<string[]> =>
    (await olap.events({ ...everything, ...query })).nodes.map(({ id }) => id)
  const letters = (filter = {}) => olap.deadLetters({ tenant: 'main', filter, first: 100 })
  const minutes = async (query = {}) =>
    (
      await olap.aggregates({
        tenant: 'main',
        metric: 'page_views',
        version: 1,
        size: MINUTE,
        from: 0,
        to: 2 * T0,
        ...query,
      })
    ).rows

  ledgerContract(name, () => olap)
  copiesContract(name, () => olap)
  deltasContract(name, () => olap)
  storedDeltasContract(name, () => olap)
  eventsContract(name, () => olap)
  correctionsContract(name, () => olap)
  measuresContract(name, () => olap)
  measureViewsContract(name, () => olap)
  sessionsContract(name, () => olap)
  sessionWritesContract(name, () => olap)
  sessionViewsContract(name, () => olap)
  sessionUpkeepContract(name, () => olap)

  describe(`${name}: markers`, () => {
    const marker = (number: number, gateway = 'g') => ({ gateway, number, sentAt: T0 - 100 })
    const newest = async (gateway = 'g') =>
      (await olap.markers(gateway)).sort((one, other) => one.partition - other.partition)

    it('answers the newest of a gateway in each partition, whatever their order', async () => {
      expect(await newest()).toEqual([])
      const parts = [
        olapPart(1, { markers: [marker(3), marker(9), marker(5), marker(70, 'other')] }),
        olapPart(1, { partition: 1, markers: [marker(4)] }),
      ]
      await olap.write({ parts })
      expect(await newest()).toEqual([
        { partition: 0, number: 9 },
        { partition: 1, number: 4 },
      ])
      expect(await newest('other')).toEqual([{ partition: 0, number: 70 }])
      expect(await newest(`'; DROP TABLE markers; --`)).toEqual([])
    })

    it('has them with the rows of their checkpoint, or not at all', async () => {
      const gap = olapPart(3, { partition: 1, after: 2, markers: [marker(2)] })
      await expect(olap.write({ parts: [olapPart(1, { markers: [marker(1)] }), gap] })).rejects.toThrow()
      expect(await newest()).toEqual([])
      await olap.write({ parts: [olapPart(1, { markers: [marker(1)] })] })
      await olap.write({ parts: [olapPart(1, { markers: [marker(1)] }), { ...gap, checkpoint: 1, after: 0 }] })
      expect(await newest()).toEqual([
        { partition: 0, number: 1 },
        { partition: 1, number: 2 },
      ])
    })

    it('shows them nowhere else, and forgets them after their retention', async () => {
      await olap.write({ parts: [olapPart(1, { events: [eventLine('a')], markers: [marker(1), marker(2)] })] })
      expect(await storedIds()).toEqual(['a'])
      expect(await olap.totals('main')).toEqual({ stored: 1, late: 0, duplicate: 0, invalid: 0 })
      expect((await letters()).total).toBe(0)
      await olap.maintain(T0 + RETENTION.markers)
      expect(await newest()).toHaveLength(1)
      await olap.maintain(T0 + RETENTION.markers + 1)
      expect(await newest()).toEqual([])
    })
  })

  describe(`${name}: late events`, () => {
    const counted = eventLine('a', { key: 'k' })

    it('makes a late event that is sent again one dead letter, the same batch included', async () => {
      const first = lateEvent(counted)
      const again = (sequence: number) => lateEvent(counted, { sequence })
      await olap.write({ parts: [olapPart(1, { late: [again(2), first] })] })
      await olap.write({ parts: [olapPart(2, { late: [again(3), again(4)] })] })
      expect(await olap.totals('main')).toEqual({ stored: 0, late: 1, duplicate: 3, invalid: 0 })
    })

    it('counts a late event that is stored as a duplicate, the same batch included', async () => {
      await olap.write({ parts: [olapPart(1, { events: [counted], late: [lateEvent(counted)] })] })
      await olap.write({ parts: [olapPart(2, { late: [lateEvent({ ...counted, time: T0 - HOUR })] })] })
      expect(await olap.totals('main')).toEqual({ stored: 1, late: 0, duplicate: 2, invalid: 0 })
      expect((await letters()).total).toBe(0)
    })

    it.each([
      ['tenant', { tenant: 'other' }],
      ['source', { source: 'import-1' }],
      ['key', { key: 'k2' }],
      ['id', { e: { id: 'a2', name: 'page_view' } }],
    ])('makes a late event with another %s a dead letter', async (_, fields) => {
      const line = { ...counted, ...fields }
      await olap.write({ parts: [olapPart(1, { events: [counted] })] })
      await olap.write({ parts: [olapPart(2, { late: [lateEvent(line)] })] })
      expect((await olap.totals(line.tenant)).late).toBe(1)
    })

    it('tells of a dead letter what it was, why, and when', async () => {
      const line = { ...counted, receivedAt: T0 + 1, e: { ...counted.e, properties: { a: '\u0000' } } }
      await olap.write({ parts: [olapPart(1, { late: [lateEvent(line, { watermark: T0 + 2 })] })] })
      expect((await letters()).nodes).toEqual([
        {
          id: 'a',
          code: 'LATE',
          message: 'older than the horizon',
          path: null,
          event: line.e,
          at: T0 + 1,
          watermark: T0 + 2,
        },
      ])
    })

    it('keeps a line that nobody can read, and one with half a surrogate pair', async () => {
      const invalid = { code: 'INVALID', message: 'no JSON', watermark: null } as const
      const broken = JSON.parse('{"id": "\\ud83d", "name": "x"}')
      const late = [
        lateEvent(null, { ...invalid, raw: '{"half \ud83d' }),
        lateEvent({ ...counted, e: broken }, { ...invalid, index: 1 }),
      ]
      await olap.write({ parts: [olapPart(1, { late })] })
      expect(await olap.totals('unknown')).toEqual({ stored: 0, late: 0, duplicate: 0, invalid: 1 })
      const { nodes } = await olap.deadLetters({ tenant: 'unknown', filter: {}, first: 10 })
      expect(nodes).toMatchObject([{ id: '0-1-0', event: '{"half \ud83d', at: T0 }])
      expect((await letters()).nodes).toMatchObject([{ id: '\ufffd', event: broken }])
    })

    it('filters dead letters and pages through them with their total', async () => {
      const late = Array.from({ length: 5 }, (_, i) =>
        lateEvent(eventLine(`e${i}`, { receivedAt: T0 + i, e: { name: i === 4 ? 'click' : 'page_view' } }), {
          index: i,
          code: i === 0 ? 'INVALID' : 'LATE',
        }),
      )
      await olap.write({ parts: [olapPart(1, { late })] })
      const ids = async (filter: object) => (await letters(filter)).nodes.map(({ id }) => id).join(' ')
      expect(await ids({})).toBe('e4 e3 e2 e1 e0')
      expect(await ids({ code: 'INVALID' })).toBe('e0')
      expect(await ids({ name: 'click' })).toBe('e4')
      expect(await ids({ from: T0 + 1, to: T0 + 3 })).toBe('e2 e1')
      expect(await ids({ ids: ['e1', 'e3', 'none'] })).toBe('e3 e1')
      expect(await ids({ ids: [] })).toBe('')
      const first = await olap.deadLetters({ tenant: 'main', filter: { code: 'LATE' }, first: 3 })
      expect([first.nodes.length, first.total, first.hasNextPage]).toEqual([3, 4, true])
      const after = first.endCursor ?? undefined
      const rest = await olap.deadLetters({ tenant: 'main', filter: { code: 'LATE' }, first: 3, after })
      expect([rest.nodes.map(({ id }) => id), rest.total, rest.hasNextPage]).toEqual([['e1'], 4, false])
    })
  })

  describe(`${name}: lines that it cannot hold`, () => {
    const loneSurrogate = JSON.stringify(eventLine('lone', { e: { properties: { a: 'X' } } })).replace('X', '\\ud83d')

    it('makes a dead letter of each and stores the others', async () => {
      const events = Array.from({ length: 100 }, (_, i): string => JSON.stringify(eventLine(`e${i}`)))
      events[17] = loneSurrogate
      events[18] = '{"tenant":"main"'
      events[99] = JSON.stringify({ ...eventLine('when'), time: 'yesterday' })
      await olap.write({ parts: [olapPart(1, { events, aggregates: [aggregateRow()] })] })
      expect(await storedIds()).toHaveLength(97)
      expect(await minutes()).toHaveLength(1)
      expect(await olap.positions()).toEqual([1, 0])
      const { nodes } = await letters()
      expect(nodes.map(({ id, code }) => [id, code])).toEqual(
        expect.arrayContaining([
          ['lone', 'INVALID'],
          ['when', 'INVALID'],
        ]),
      )
      expect((await olap.totals('main')).invalid + (await olap.totals('unknown')).invalid).toBe(3)
    })
  })

  describe(`${name}: other rows that it cannot hold`, () => {
    it('makes dead letters of a change and of a definition, for operators, and stores the rest', async () => {
      const { definition, ...state } = definitionState('page_views', 'COUNT')
      const broken = { ...definition, name: 'broken', event: '\ud83d' }
      const aggregates = [aggregateRow(), aggregateRow({ start: 1e300 }), aggregateRow({ dims: ['DE'] })]
      const definitions = [
        { ...state, definition: broken },
        { ...state, definition },
      ]
      await olap.write({ parts: [olapPart(1, { events: [eventLine('a')], aggregates, definitions })] })
      expect(await storedIds()).toEqual(['a'])
      expect(await minutes()).toHaveLength(2)
      expect((await olap.sql('SELECT metric FROM metrics')).rows).toEqual([['page_views']])
      const { nodes } = await olap.deadLetters({ tenant: 'unknown', filter: { code: 'REFUSED' }, first: 10 })
      expect(nodes.map(({ message }) => message).sort()).toEqual([
        expect.stringMatching(/^the store cannot hold a change of page_views of main: .*/),
        expect.stringMatching(/^the store cannot hold the definition of broken of main: .*/),
      ])
      expect(await olap.totals('main')).toEqual({ stored: 1, late: 0, duplicate: 0, invalid: 0 })
    })

    it('keeps a late event whose times no store can hold', async () => {
      const line = eventLine('a', { time: 1e300, receivedAt: -1e300 })
      await olap.write({ parts: [olapPart(1, { late: [lateEvent(line, { watermark: 1e18 })] })] })
      expect((await letters()).nodes).toMatchObject([{ id: 'a', watermark: null, at: T0 }])
    })

    it('keeps a line whose time no store can hold as a dead letter', async () => {
      await olap.write({ parts: [olapPart(1, { events: [eventLine('a', { time: 1e18 })] })] })
      const [{ code, message }] = (await letters()).nodes
      expect(code).toBe('INVALID')
      expect(message).not.toContain('spool')
    })
  })

  describe(`${name}: upkeep`, () => {
    it('merges deltas without changing an answer, and goes on adding to them', async () => {
      const write = (checkpoint: number) =>
        olap.write({
          parts: [
            olapPart(checkpoint, {
              aggregates: [
                aggregateRow({ sum: checkpoint, min: -checkpoint, members: [checkpoint, 7] }),
                aggregateRow({ size: HOUR, dims: [null] }),
              ],
              duplicates: { main: 1 },
            }),
          ],
        })
      for (const checkpoint of [1, 2, 3]) await write(checkpoint)
      const before = [await minutes(), await minutes({ size: HOUR }), await olap.totals('main')]
      await olap.maintain(now)
      expect([await minutes(), await minutes({ size: HOUR }), await olap.totals('main')]).toEqual(before)
      await write(4)
      await olap.maintain(now)
      await olap.maintain(now)
      expect(await minutes()).toMatchObject([
        { n: 4, events: 4, sum: 10, min: -4, members: [1, 2, 3, 4, 7], revision: 4 },
      ])
      expect((await olap.totals('main')).duplicate).toBe(4)
    })

    it('drops rows by when they were received or changed, never by the time inside them, and keeps the totals', async () => {
      const old = { time: Date.UTC(2015, 4, 17), receivedAt: T0 }
      const window = { start: Date.UTC(2015, 4, 17) }
      const events = [eventLine('old', old), eventLine('older', { ...old, receivedAt: T0 - 1 })]
      const aggregates = [aggregateRow(window), aggregateRow({ ...window, size: HOUR })]
      await olap.write({ parts: [olapPart(1, { events, aggregates, late: [lateEvent(eventLine('late', old))] })] })
      const totals = await olap.totals('main')

      await olap.maintain(T0 + RETENTION.rawEvents)
      expect(await storedIds()).toEqual(['old'])
      await olap.maintain(T0 + RETENTION.rawEvents + 1)
      expect(await storedIds()).toEqual([])
      expect((await letters()).total).toBe(0)
      expect(await olap.totals('main')).toEqual(totals)

      expect(await minutes()).toHaveLength(1)
      await olap.maintain(T0 + RETENTION.minlyAggs + 1)
      expect(await minutes()).toHaveLength(0)
      expect(await minutes({ size: HOUR })).toHaveLength(1)
      await olap.maintain(T0 + RETENTION.hourlyAggs + 1)
      expect(await minutes({ size: HOUR })).toHaveLength(0)
    })

    it('drops corrections after their retention, which is told by when they were stored', async () => {
      const list = () => olap.corrections({ tenant: 'main', from: T0, to: T0 + 1, first: 10 })
      await olap.write({ parts: [olapPart(1, { aggregates: [aggregateRow({ corrections: 1 })] })] })
      expect((await list()).nodes).toMatchObject([{ at: T0 }])
      await olap.maintain(T0 + RETENTION.corrections)
      expect((await list()).nodes).toHaveLength(1)
      await olap.maintain(T0 + RETENTION.corrections + 1)
      expect((await list()).nodes).toEqual([])
    })

    it('keeps a window as long as it changes', async () => {
      await olap.write({ parts: [olapPart(1, { aggregates: [aggregateRow()] })] })
      now = T0 + RETENTION.minlyAggs
      await olap.write({ parts: [olapPart(2, { aggregates: [aggregateRow()] })] })
      await olap.maintain(now + 1)
      expect((await minutes())[0].events).toBe(2)
    })
  })

  describe(`${name}: SQL`, () => {
    const cell = async (statement: string): Promise<unknown> => (await olap.sql(statement)).rows[0][0]

    it('answers columns and rows as JSON can say them', async () => {
      await olap.write({ parts: [olapPart(1, { events: [eventLine('a', { e: { properties: { bytes: 3 } } })] })] })
      expect(
        await olap.sql(`SELECT id, time, count(*) AS n, properties->'bytes' AS b FROM raw_events GROUP BY ALL`),
      ).toEqual({
        columns: ['id', 'time', 'n', 'b'],
        rows: [['a', '2024-05-01T12:00:00.000Z', 1, '3']],
      })
    })

    it('shows points with the value of their measure, of the newest definition', async () => {
      const kinds = ['COUNT', 'SUM', 'AVG', 'MIN', 'MAX', 'UNIQUES'] as const
      const rows = kinds.flatMap((kind) => [
        aggregateRow({ metric: kind.toLowerCase(), sum: 3, min: 1, max: 2, members: [1, 2] }),
        aggregateRow({ metric: kind.toLowerCase(), n: 3, sum: 7, min: -1, max: 5, members: [2, 5] }),
        aggregateRow({ metric: kind.toLowerCase(), start: T0 + MINUTE, n: 0 }),
      ])
      const definitions = kinds.map((kind) => definitionState(kind.toLowerCase(), kind))
      await olap.write({
        parts: [olapPart(1, { aggregates: rows, definitions }), olapPart(1, { partition: 1, definitions })],
      })
      const sql = `SELECT metric, value FROM minly_points ORDER BY window_start, metric`
      const expected = [10 / 4, 4, 5, -1, 10, 3, null, 0, null, null, null, 0]
      expect((await olap.sql(sql)).rows.map(([, value]) => value)).toEqual(expected)

      const newer = definitionState('count', 'COUNT', { version: 2 })
      const gone = definitionState('sum', 'SUM', { version: 2, deleted: true })
      const older = definitionState('avg', 'MIN', { version: 0 })
      await olap.write({ parts: [olapPart(2, { definitions: [newer, gone, older] })] })
      expect(await cell(`SELECT string_agg(DISTINCT metric ORDER BY metric) FROM minly_points`)).toBe(
        'avg,max,min,uniques',
      )
      expect(await cell(`SELECT measure FROM metrics WHERE metric = 'avg'`)).toBe('AVG')
    })

    it.each([
      'DROP TABLE raw_events',
      `INSERT INTO counters VALUES ('a', 'b', 1)`,
      'SELECT 1; SELECT 2',
      'SET threads = 1',
      `COPY raw_events TO '/tmp/millrace-should-not-be'`,
      `SELECT * FROM read_text('/etc/passwd')`,
      `EXPLAIN ANALYZE INSERT INTO counters VALUES ('a', 'b', 1)`,
      `ATTACH '/tmp/millrace-should-not-be.db'`,
      'CALL force_checkpoint()',
      'LOAD httpfs',
      'PREPARE x AS SELECT 1',
      'SELEC 1',
      'SELECT no_such_column FROM raw_events',
      '',
      ' ; ',
    ])('refuses %j', async (statement) => {
      await expect(olap.sql(statement)).rejects.toMatchObject({ code: 'BAD_INPUT' })
      expect(await cell('SELECT count(*) FROM counters')).toBe(0)
    })

    it.each(['SHOW TABLES', 'DESCRIBE raw_events', 'EXPLAIN SELECT 1', 'FROM raw_events', 'SUMMARIZE raw_events'])(
      'runs %j',
      async (statement) => {
        expect((await olap.sql(statement)).columns.length).toBeGreaterThan(0)
      },
    )
  })
}
