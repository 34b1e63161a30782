import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { OlapWriter } from '#processors/ports.ts'
import { RETENTION } from '#schema/limits.ts'
import type { Condition } from '#schema/metric.ts'
import type { RawEvent } from '#schema/olap.ts'
import { copiesContract } from './copies.contract.ts'
import { correctionsContract } from './corrections.contract.ts'
import { deltasContract } from './deltas.contract.ts'
import { aggregateRow, definitionState, eventLine, HOUR, lateEvent, MINUTE, olapPart, T0 } from './fixtures.ts'
import { ledgerContract } from './ledger.contract.ts'
import { measuresContract, measureViewsContract } from './measures.contract.ts'
import { sessionsContract, sessionUpkeepContract, sessionViewsContract } from './sessions.contract.ts'

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
  correctionsContract(name, () => olap)
  measuresContract(name, () => olap)
  measureViewsContract(name, () => olap)
  sessionsContract(name, () => olap)
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

  describe(`${name}: raw events`, () => {
    it('gives an event back with all that it had', async () => {
      const line = eventLine('a', {
        country: 'NL',
        source: 'import-1',
        receivedAt: T0 + 5,
        key: 's',
        e: {
          userId: 'u',
          anonymousId: 'n',
          properties: { path: '/x', list: [1, { a: null }] },
          context: { page: 'p' },
        },
      })
      await olap.write({ parts: [olapPart(1, { events: [line] })] })
      const expected: RawEvent = {
        id: 'a',
        name: 'page_view',
        time: T0,
        receivedAt: T0 + 5,
        source: 'import-1',
        sessionId: 's',
        userId: 'u',
        anonymousId: 'n',
        properties: { path: '/x', list: [1, { a: null }] },
        context: { page: 'p' },
        country: 'NL',
      }
      expect((await olap.events(everything)).nodes).toEqual([expected])
    })

    const deep = (depth: number): unknown => (depth === 0 ? 1 : { a: deep(depth - 1) })
    it.each([
      ['characters beyond the basic plane', { a: '😀 \ufeff\u2028\uffff', 'ключ 😀': 'я' }],
      ['NUL in a value and in a key', { 'a\u0000b': 'x\u0000y' }],
      ['a key named __proto__', JSON.parse('{"__proto__": {"x": 1}, "constructor": 2}')],
      ['32 levels', deep(32)],
      ['extreme numbers', { a: 1e308, b: -1e308, c: 5e-324, d: 9007199254740991, e: 0.1, f: 2 ** 70 }],
      ['a string of 30,000 characters', { a: 'ÿ'.repeat(30_000) }],
      ['keys that differ by case only', { a: 1, A: 2 }],
      ['quotes, backslashes and what looks like SQL', { a: `'; DROP TABLE raw_events; --\\"\n` }],
      ['keys named like the columns', { p: 1, s: 2, i: 3, tenant: 'x', e: {} }],
    ])('keeps %s as it came', async (_, properties) => {
      const line = eventLine('\ufeffx\u0000"\\😀', { key: '\ufeffk\u0000', e: { properties: properties as never } })
      await olap.write({ parts: [olapPart(1, { events: [line] })] })
      const [node] = (await olap.events(everything)).nodes
      expect(JSON.stringify(node.properties)).toBe(JSON.stringify(properties))
      expect([node.id, node.sessionId]).toEqual(['\ufeffx\u0000"\\😀', '\ufeffk\u0000'])
    })

    it('shows a tenant its own events only, newest first, from inclusive to exclusive', async () => {
      const events = [
        eventLine('early', { time: T0 - 1 }),
        eventLine('start', { time: T0 }),
        eventLine('last', { time: T0 + 9 }),
        eventLine('end', { time: T0 + 10 }),
        eventLine('theirs', { time: T0, tenant: 'other' }),
      ]
      await olap.write({ parts: [olapPart(1, { events })] })
      expect(await storedIds({ from: T0, to: T0 + 10 })).toEqual(['last', 'start'])
      expect(await storedIds({ tenant: 'other' })).toEqual(['theirs'])
    })

    it('pages through equal times and equal ids without a repetition or a gap', async () => {
      const events = Array.from({ length: 25 }, (_, i) => eventLine(`e${i % 5}`, { key: `k${i}`, time: T0 + (i % 2) }))
      await olap.write({ parts: [olapPart(1, { events }), olapPart(1, { partition: 1, events })] })
      const seen: string[] = []
      let after: string | undefined
      for (let pages = 1; ; pages++) {
        const page = await olap.events({ ...everything, first: 7, after })
        seen.push(...page.nodes.map(({ time, id, sessionId }) => `${time} ${id} ${sessionId}`))
        after = page.endCursor ?? undefined
        if (!page.hasNextPage) {
          expect(pages).toBe(8)
          break
        }
      }
      expect(seen).toHaveLength(50)
      expect(new Set(seen).size).toBe(25)
      expect(seen.map((text) => Number(text.split(' ')[0]))).toEqual([...Array(24).fill(T0 + 1), ...Array(26).fill(T0)])
    })

    it.each(['nonsense', '', Buffer.from('[1]').toString('base64url')])('refuses the cursor "%s"', async (after) => {
      await expect(olap.events({ ...everything, after })).rejects.toMatchObject({ code: 'CURSOR_INVALID' })
    })
  })

  describe(`${name}: conditions on events`, () => {
    beforeEach(async () => {
      const of = (id: string, properties: object | undefined, country?: string) =>
        eventLine(id, { country, e: { properties: properties as never, name: id === 'c' ? 'click' : 'page_view' } })
      const events = [
        of('a', { path: '/a', bytes: 10, ok: true, tags: ['x', 1], 'a/b~': 1, deep: { er: null } }, 'NL'),
        of('b', { path: '/b%_', bytes: 9.5, ok: false, tags: 'xyz', deep: { er: 'v' } }, 'DE'),
        of('c', undefined),
      ]
      await olap.write({ parts: [olapPart(1, { events })] })
    })

    it.each<[string, Condition[], string]>([
      ['a name', [{ field: 'name', op: 'EQ', value: 'click' }], 'c'],
      ['a country, absent elsewhere', [{ field: 'country', op: 'NE', value: 'NL' }], 'b c'],
      ['a number, as a number', [{ field: 'properties.bytes', op: 'GT', value: 9.5 }], 'a'],
      ['a number with LE', [{ field: 'properties.bytes', op: 'LE', value: 9.5 }], 'b'],
      ['no text as a number', [{ field: 'properties.bytes', op: 'EQ', value: '10' }], ''],
      ['text in order', [{ field: 'properties.path', op: 'LT', value: '/b' }], 'a'],
      ['a boolean', [{ field: 'properties.ok', op: 'EQ', value: true }], 'a'],
      ['null, which is not absence', [{ field: 'properties.deep.er', op: 'EQ', value: null }], 'a'],
      ['a list of values', [{ field: 'properties.bytes', op: 'IN', value: [10, 'x', 9.5] }], 'a b'],
      ['an empty list', [{ field: 'properties.bytes', op: 'IN', value: [] }], ''],
      ['no object and no list', [{ field: 'properties.tags', op: 'EQ', value: ['x', 1] }], ''],
      ['no order with a list', [{ field: 'properties.tags', op: 'LT', value: ['x', 1] }], ''],
      ['part of a text, literally', [{ field: 'properties.path', op: 'CONTAINS', value: '%_' }], 'b'],
      ['an item of a list or part of a text', [{ field: 'properties.tags', op: 'CONTAINS', value: 'x' }], 'a b'],
      ['a number in a list', [{ field: 'properties.tags', op: 'CONTAINS', value: 1 }], 'a'],
      ['existence: null does not', [{ field: 'properties.deep.er', op: 'EXISTS', value: true }], 'b'],
      ['non-existence', [{ field: 'properties.deep.er', op: 'EXISTS', value: false }], 'a c'],
      ['a key with characters that paths use', [{ field: 'properties.a/b~', op: 'EQ', value: 1 }], 'a'],
      ['a key from outside', [{ field: `properties.x') OR true --`, op: 'EQ', value: 1 }], ''],
      ['a session', [{ field: 'sessionId', op: 'EQ', value: 'session-a' }], 'a'],
      ['an extreme number', [{ field: 'properties.bytes', op: 'LT', value: 1e308 }], 'a b'],
      [
        'all of several',
        [
          { field: 'country', op: 'EXISTS', value: true },
          { field: 'properties.bytes', op: 'GE', value: 10 },
        ],
        'a',
      ],
    ])('tells %s', async (_, where, expected) => {
      expect((await storedIds({ where })).sort().join(' ')).toBe(expected)
    })

    it('refuses a field that there is not, naming those that there are', async () => {
      const where: Condition[] = [{ field: 'tenant', op: 'EQ', value: 'x' }]
      await expect(olap.events({ ...everything, where })).rejects.toMatchObject({
        code: 'BAD_INPUT',
        message: expect.stringContaining('country'),
      })
    })
  })

  describe(`${name}: aggregates`, () => {
    it('adds sums of money to the cent, whatever order they came in', async () => {
      const rows = Array.from({ length: 1000 }, () => aggregateRow({ sum: 0.1 }))
      await olap.write({ parts: [olapPart(1, { aggregates: [aggregateRow({ sum: 1e9 }), ...rows] })] })
      expect((await minutes())[0].sum).toBe(1_000_000_100)
    })

    it('keeps text in a dimension that is no valid text readable', async () => {
      await olap.write({ parts: [olapPart(1, { aggregates: [aggregateRow({ dims: ['a\ud83d', '\ufeffb\u0000'] })] })] })
      expect((await minutes())[0].dims).toEqual(['a\ufffd', '\ufeffb\u0000'])
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
