import fc from 'fast-check'
import { expect, it } from 'vitest'
import { toEventRow, toLine } from './archive-row.ts'
import type { EventLine } from './event.ts'
import { readEventLine } from './event-line.ts'

const T0 = Date.UTC(2024, 4, 1, 12)

const eventLine = (id: string, { e, ...server }: Partial<Omit<EventLine, 'e'>> & { e?: object } = {}): EventLine => ({
  tenant: 'main',
  source: 'live',
  receivedAt: T0,
  time: T0,
  key: `session-${id}`,
  weight: 1,
  schema: 0,
  ...server,
  e: { id, name: 'page_view', ...e },
})

const rowOf = (line: string) => toEventRow(line, readEventLine(line) as EventLine, PLACE)
const PLACE = { partition: 3, sequence: 7, index: 2 }
const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter((s) => !s.includes('\0'))
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined })
const object = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 }), { maxKeys: 4 })

/** Lines as a gateway writes them. */
const written = fc
  .record({
    country: optional(text),
    device: optional(text),
    weight: fc.double({ min: 1, max: 1000, noNaN: true }),
    schema: fc.nat({ max: 1000 }),
    e: fc.record({
      id: text,
      time: optional(fc.constantFrom('2024-05-01T12:00:00Z', '2024-05-01T14:00:00.123456+02:00')),
      sessionId: optional(text),
      userId: optional(text),
      anonymousId: optional(text),
      properties: optional(object),
      context: optional(object),
      schemaVersion: optional(fc.nat({ max: 1000 })),
    }),
  })
  .map(({ e, ...rest }) => {
    const key = e.sessionId ?? e.userId ?? e.anonymousId ?? e.id
    return JSON.stringify(eventLine(e.id, { ...rest, key, e }))
  })

it('says in columns what the line says', () => {
  fc.assert(
    fc.property(written, (line) => {
      fc.pre(typeof readEventLine(line) !== 'string')
      const row = rowOf(line)
      expect(JSON.parse(toLine(row))).toEqual(JSON.parse(line))
      expect(row).toMatchObject(PLACE)
    }),
  )
})

it('needs no copy of a line that a gateway has written', () => {
  const line = eventLine('a', {
    key: 's',
    country: 'NL',
    e: { sessionId: 's', time: '2024-05-01T12:00:00Z', properties: { amount: 10.5, n: 1e21, list: [0] } },
  })
  expect(rowOf(JSON.stringify(line))).toMatchObject({
    line: null,
    session_id: 's',
    sent_session: true,
    sent_time: '2024-05-01T12:00:00Z',
    properties: '{"amount":10.5,"n":1e+21,"list":[0]}',
  })
})

it.each([
  ['a key beside the known ones', '{"x":1,', ''],
  ['a number beyond a double', '', ',"properties":{"n":1e400}'],
  ['minus zero', '', ',"properties":{"n":-0.0}'],
  ['a session that is not the key', '', ',"sessionId":"another"'],
  ['a time that is no text', '', ',"time":5'],
  ['a version that is no whole number', '', ',"schemaVersion":"x"'],
  ['a key of the client that is not known', '', ',"__proto__":{"a":1}'],
])('keeps the whole line for %s', (_, before, inside) => {
  const plain = JSON.stringify(eventLine('a'))
  const line = `${before === '' ? '{' : before}${plain.slice(1, -2)}${inside}}}`
  expect(typeof readEventLine(line)).toBe('object')
  const row = rowOf(line)
  expect(row.line).toBe(line)
  expect(toLine(row)).toBe(line)
})
