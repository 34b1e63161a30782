import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BUILTIN_SCHEMAS } from '#schema/builtin-schemas.ts'
import { LIMITS } from '#schema/limits.ts'
import { uuidV7Time } from '#schema/time.ts'
import { createSchemaCheck } from './schema-check.ts'
import { isProblem, readId, type ValidEvent, validate } from './validate.ts'
import type { EventProblem } from './verdict.ts'

const NOW = Date.UTC(2026, 5, 1, 12)
const check = createSchemaCheck(BUILTIN_SCHEMAS)
const accept = (value: unknown): ValidEvent => {
  const validated = validate(value, NOW, check)
  if (isProblem(validated)) throw new Error(validated.message)
  return validated
}
const refuse = (value: unknown): EventProblem => {
  const validated = validate(value, NOW, check)
  if (!isProblem(validated)) throw new Error('it was accepted')
  return validated
}
const nested = (levels: number): unknown => (levels === 0 ? 1 : { a: nested(levels - 1) })

describe('fields', () => {
  it('that are null count as absent and do not reach the log', () => {
    const { event } = accept({ id: 'i', name: 'x', time: null, sessionId: null, properties: null, schemaVersion: null })
    expect(event).toEqual({ id: 'i', name: 'x' })
  })

  it('are written in one order, whatever order they came in', () => {
    const { event } = accept({ properties: {}, userId: 'u', name: 'x', id: 'i' })
    expect(Object.keys(event)).toEqual(['id', 'name', 'userId', 'properties'])
  })

  it('of the wrong type or length are refused with their path, what was expected and what came', () => {
    const wrong: [string, unknown][] = [
      ['id', 5],
      ['id', ''],
      ['id', 'i'.repeat(LIMITS.idChars + 1)],
      ['name', undefined],
      ['name', null],
      ['name', 'Page View'],
      ['name', '9'],
      ['time', 1717243200000],
      ['time', '2026-02-30T00:00:00Z'],
      ['time', '2026-06-01'],
      ['sessionId', ''],
      ['sessionId', 'a\0b'],
      ['userId', { id: 1 }],
      ['anonymousId', 'u'.repeat(LIMITS.keyChars + 1)],
      ['properties', 'text'],
      ['properties', []],
      ['context', 7],
      ['schemaVersion', 0],
      ['schemaVersion', 1.5],
      ['schemaVersion', '1'],
    ]
    for (const [key, value] of wrong)
      expect(refuse({ name: 'x', [key]: value })).toMatchObject({ code: 'MALFORMED', path: `/${key}` })
    expect(refuse({ name: 'x', sessionId: 7 }).message).toBe(
      'expected a string of 1 to 256 characters without NUL, found 7. Correct sessionId.',
    )
  })

  it('that only the server writes are refused, with a hint where to put them', () => {
    for (const key of ['tenant', 'source', 'receivedAt', 'weight', 'key', 'country', 'e', 'toString', 'Name']) {
      const problem = refuse({ name: 'x', [key]: 'v' })
      expect(problem).toMatchObject({ code: 'MALFORMED', path: `/${key}` })
      expect(problem.message).toContain('properties')
    }
  })

  it('of an object without a prototype are read as of any other', () => {
    const value = Object.assign(Object.create(null), { id: 'i', name: 'x', userId: undefined })
    expect(accept(value).event).toEqual({ id: 'i', name: 'x' })
  })

  it('named __proto__ are refused anywhere, and nothing is polluted', () => {
    expect(refuse(JSON.parse('{"name":"x","__proto__":{"polluted":1}}'))).toMatchObject({ path: '/__proto__' })
    expect(refuse(JSON.parse('{"name":"x","context":{"a":[{"__proto__":1}]}}'))).toMatchObject({
      path: '/context/a/0/__proto__',
    })
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false)
  })
})

describe('values that never were JSON text', () => {
  it('are refused where text could not have carried them', () => {
    const p = (a: unknown) => refuse({ name: 'x', properties: { a } })
    for (const value of [Number.POSITIVE_INFINITY, Number.NaN, '\ud800', 1n, () => 1]) {
      expect(p(value)).toMatchObject({ code: 'MALFORMED', path: '/properties/a' })
    }
    expect(refuse({ name: 'x', properties: { '\udc00': 1 } })).toMatchObject({ code: 'MALFORMED' })
  })

  it('may nest 32 levels, the event being the first', () => {
    accept({ name: 'x', properties: nested(LIMITS.jsonDepth - 1) })
    expect(refuse({ name: 'x', properties: nested(LIMITS.jsonDepth) }).code).toBe('TOO_DEEP')
  })
})

it('never throws, and accepts nothing that is not JSON again', () => {
  const field = fc.anything({ withNullPrototype: true, withBigInt: true, withDate: true, withMap: true })
  const value = fc.oneof(
    field,
    fc.record({ name: fc.constantFrom('x', 'page_view'), properties: field, context: field, id: field }),
  )
  fc.assert(
    fc.property(value, (sent) => {
      const validated = validate(sent, NOW, check)
      if (!isProblem(validated)) expect(() => JSON.stringify(validated.event)).not.toThrow()
      expect(typeof readId(sent)).toBe('string')
    }),
    { numRuns: 3000 },
  )
})

describe('time', () => {
  const DAY = 86_400_000
  const idOf = (ms: number) => {
    const hex = ms.toString(16).padStart(12, '0')
    return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`
  }

  it('is the one sent, else the one inside a UUIDv7, else the time of receipt', () => {
    expect(accept({ name: 'x', id: idOf(NOW - 5), time: '2026-06-01T13:00:00+02:00' }).time).toBe(NOW - 3_600_000)
    expect(accept({ name: 'x', id: idOf(NOW - 5) }).time).toBe(NOW - 5)
    expect(accept({ name: 'x', id: 'mine' }).time).toBe(NOW)
  })

  it('of an event without an id is the time of receipt, and so is the time inside the id it gets', () => {
    const { event, time } = accept({ name: 'x' })
    expect([time, uuidV7Time(event.id)]).toEqual([NOW, NOW])
  })

  it('may be from 2000 to a day ahead, limits included', () => {
    const at = (ms: number) => ({ name: 'x', time: new Date(ms).toISOString() })
    expect(accept(at(Date.UTC(2000, 0, 1))).time).toBe(Date.UTC(2000, 0, 1))
    expect(accept(at(NOW + DAY)).time).toBe(NOW + DAY)
    expect(refuse(at(Date.UTC(2000, 0, 1) - 1))).toMatchObject({ code: 'TIME_OUT_OF_RANGE', path: '/time' })
    expect(refuse(at(NOW + DAY + 1)).code).toBe('TIME_OUT_OF_RANGE')
    expect(refuse({ name: 'x', id: idOf(0) })).toMatchObject({ code: 'TIME_OUT_OF_RANGE', path: '/id' })
  })
})

describe('schemas', () => {
  it('of built-in events are met by what a site sends, and its version is told', () => {
    const properties = { path: '/', method: 'GET', status: 200, bytes: 0, referrer: '-', title: 't', more: { a: 1 } }
    expect(accept({ name: 'page_view', properties }).schema).toBe(1)
    expect(accept({ name: 'page_view' }).schema).toBe(1)
    expect(
      accept({ name: 'conversion', properties: { amount: 1.5, currency: 'EUR', items: 2 }, schemaVersion: 1 }).schema,
    ).toBe(1)
    expect(accept({ name: 'something_else', properties: { status: 'fine' }, schemaVersion: 4 }).schema).toBe(0)
  })

  it('that are violated say where, what was expected and what came', () => {
    const violations: [string, object, string][] = [
      ['page_view', { status: '200' }, '/properties/status'],
      ['page_view', { status: 600 }, '/properties/status'],
      ['page_view', { bytes: -1 }, '/properties/bytes'],
      ['page_view', { path: 5 }, '/properties/path'],
      ['conversion', { amount: '9.99' }, '/properties/amount'],
      ['conversion', { currency: 'euro' }, '/properties/currency'],
      ['click', { target: null }, '/properties/target'],
    ]
    for (const [name, properties, path] of violations) {
      expect(refuse({ name, properties })).toMatchObject({ code: 'SCHEMA_VIOLATION', path })
    }
    expect(refuse({ name: 'page_view', properties: { status: '200' } }).message).toBe(
      'page_view version 1: must be integer, found "200". Correct the property.',
    )
  })

  it('of a version that is not known are refused', () => {
    expect(refuse({ name: 'page_view', schemaVersion: 2 })).toMatchObject({
      code: 'SCHEMA_UNKNOWN',
      path: '/schemaVersion',
    })
  })
})
