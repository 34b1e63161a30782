import { beforeEach, describe, expect, it } from 'vitest'
import type { OlapWriter } from '#processors/ports.ts'
import type { Condition } from '#schema/metric.ts'
import type { RawEvent } from '#schema/olap.ts'
import { eventLine, olapPart, T0 } from './fixtures.ts'

const everything = { tenant: 'main', from: 0, to: Date.UTC(2100, 0), where: [] as Condition[], first: 1000 }

/** What every OLAP store must answer of single events. Stores of two partitions. */
export const eventsContract = (name: string, olap: () => OlapWriter): void => {
  const storedIds = async (query: Partial<typeof everything> = {}): Promise<string[]> =>
    (await olap().events({ ...everything, ...query })).nodes.map(({ id }) => id)

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
      await olap().write({ parts: [olapPart(1, { events: [line] })] })
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
      expect((await olap().events(everything)).nodes).toEqual([expected])
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
      await olap().write({ parts: [olapPart(1, { events: [line] })] })
      const [node] = (await olap().events(everything)).nodes
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
      await olap().write({ parts: [olapPart(1, { events })] })
      expect(await storedIds({ from: T0, to: T0 + 10 })).toEqual(['last', 'start'])
      expect(await storedIds({ tenant: 'other' })).toEqual(['theirs'])
    })

    it('pages through equal times and equal ids without a repetition or a gap', async () => {
      const events = Array.from({ length: 25 }, (_, i) => eventLine(`e${i % 5}`, { key: `k${i}`, time: T0 + (i % 2) }))
      await olap().write({ parts: [olapPart(1, { events }), olapPart(1, { partition: 1, events })] })
      const seen: string[] = []
      let after: string | undefined
      for (let pages = 1; ; pages++) {
        const page = await olap().events({ ...everything, first: 7, after })
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
      await expect(olap().events({ ...everything, after })).rejects.toMatchObject({ code: 'CURSOR_INVALID' })
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
      await olap().write({ parts: [olapPart(1, { events })] })
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
      await expect(olap().events({ ...everything, where })).rejects.toMatchObject({
        code: 'BAD_INPUT',
        message: expect.stringContaining('country'),
      })
    })
  })
}
