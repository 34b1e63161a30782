import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compileMetric } from '../compile-metric.ts'
import { type EventLine, fieldReader, hashIdentity } from '../event.ts'
import { readEventLine } from '../event-line.ts'
import { linesOfFrame } from '../frame-lines.ts'
import { memberHash } from '../hash.ts'
import { FrameReader } from './frame-reader.ts'
import { ScannedLine, wholeLine } from './scanned-line.ts'

const encoder = new TextEncoder()
const encode = (text: string): Uint8Array => Uint8Array.from(encoder.encode(text))

/** What metrics may read, also where it is not. */
const FIELDS = [
  'name',
  'country',
  'browser',
  'os',
  'device',
  'userId',
  'anonymousId',
  'sessionId',
  'user',
  'properties.path',
  'properties.amount',
  'properties.deep.er',
  'properties.größe',
  'properties.__proto__',
  'properties.constructor',
  'context.page',
]
const READERS = FIELDS.map(fieldReader)
const USERS = compileMetric({
  ...{ name: 'users', event: '*', where: [], measure: { kind: 'UNIQUES', field: 'user' }, dimensions: [], version: 1 },
  windows: [{ kind: 'TUMBLING', sizeMs: 60_000 }],
})
const SEED = Uint32Array.of(1, 2, 3, 4)

/** All that anybody reads of a line. */
const read = (line: EventLine) => {
  const hash = new Uint32Array(4)
  hashIdentity(line, SEED, hash)
  return {
    fields: READERS.map((reader) => reader(line)),
    hash: [...hash],
    user: USERS.read(line),
    whole: wholeLine(line),
  }
}

/** The reader that was there before, and that still reads what is out of the ordinary. */
const readSlowly = (data: Uint8Array) =>
  linesOfFrame(data)
    .filter((line) => line !== '')
    .map((line) => {
      const event = readEventLine(line)
      return typeof event === 'string' ? { text: line, event } : read(event)
    })

const reader = new FrameReader()
/** How many lines were scanned. */
let scanned = 0
const readFast = (data: Uint8Array) => {
  const found: ReturnType<typeof readSlowly> = []
  reader.open(data)
  for (let event = reader.next(); event !== null; event = reader.next()) {
    if (event instanceof ScannedLine) scanned++
    found.push(typeof event === 'string' ? { text: reader.text, event } : read(event))
  }
  return found
}

const expectSame = (data: Uint8Array): void => expect(readFast(data)).toEqual(readSlowly(data))

const name = fc.oneof(fc.constantFrom('page_view', 'click'), fc.stringMatching(/^[a-z][a-z0-9_]{0,8}$/))
const text = fc.oneof(
  { weight: 20, arbitrary: fc.stringMatching(/^[a-z0-9/ .-]{1,12}$/) },
  { weight: 1, arbitrary: fc.string({ minLength: 1, maxLength: 12 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 80 }) },
)
const number = fc.oneof(fc.integer(), fc.double(), fc.constantFrom(0, -0, 1e21, 5e-324, 123456789, 1234567890))
const value: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    text,
    number,
    fc.constantFrom(true, false, null, ''),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(text, tie('value'), { maxKeys: 3 }),
  ),
})).value
const fields = fc.dictionary(
  fc.oneof(fc.constantFrom('path', 'amount', 'deep', 'größe', '__proto__', 'page'), text),
  fc.oneof(value, fc.constant({ er: 1 })),
  { maxKeys: 6 },
)
const some = <T>(one: fc.Arbitrary<T>) => fc.option(one, { nil: undefined })
const event = fc.record(
  {
    id: text,
    name,
    time: some(fc.constant('2026-01-01T00:00:00Z')),
    sessionId: some(text),
    userId: some(text),
    anonymousId: some(text),
    properties: some(fields),
    context: some(fields),
    schemaVersion: some(fc.nat()),
  },
  { requiredKeys: ['id', 'name'] },
)
const time = fc.oneof(
  { weight: 9, arbitrary: fc.integer({ min: 1.7e12, max: 1.8e12 }) },
  { weight: 1, arbitrary: fc.maxSafeNat() },
)
const line = fc
  .record({
    tenant: name,
    source: fc.constantFrom('live', 'import-1'),
    receivedAt: time,
    time,
    key: text,
    weight: fc.oneof({ weight: 9, arbitrary: fc.constant(1) }, fc.double({ min: 0, max: 2e6 }), number),
    country: some(fc.constantFrom('DE', 'Österreich')),
    browser: some(text),
    os: some(text),
    device: some(text),
    schema: fc.oneof({ weight: 9, arbitrary: fc.nat() }, { weight: 1, arbitrary: number }),
    e: event,
  })
  .map((one) => JSON.stringify(one))

test('what is scanned is what JSON.parse reads, for lines of all kinds', () => {
  scanned = 0
  fc.assert(
    fc.property(fc.array(fc.oneof(line, fc.constant('')), { maxLength: 4 }), (lines) => {
      expectSame(encode(lines.join('\n')))
    }),
    { numRuns: 3_000 },
  )
  expect(scanned).toBeGreaterThan(500)
})

/** Changes one place of the bytes, as a broken writer or a flipped bit would. */
const damage = (data: Uint8Array, at: number, kind: number, byte: number): Uint8Array => {
  const place = at % (data.length + 1)
  const [before, after] = [data.subarray(0, place), data.subarray(place + (kind === 0 ? 0 : 1))]
  if (kind === 2) return Buffer.concat([before, after])
  return Buffer.concat([before, Uint8Array.of(byte), after])
}

const bytes = fc.oneof(
  fc.constantFrom(...encoder.encode('{}[]",:\\ \n\t0-1eE.+tfn'), 0xef, 0xbb, 0xbf, 0xff),
  fc.nat(255),
)

test('a damaged frame is read as it was before, line by line', () => {
  fc.assert(
    fc.property(
      fc.array(line, { minLength: 1, maxLength: 3 }),
      fc.array(fc.tuple(fc.nat(2_000), fc.nat(2), bytes), { minLength: 1, maxLength: 3 }),
      (lines, damages) => {
        const whole = encode(lines.join('\n'))
        expectSame(damages.reduce((data, [at, kind, byte]) => damage(data, at, kind, byte), whole))
      },
    ),
    { numRuns: 6_000 },
  )
})

const PLAIN = {
  ...{ tenant: 'main', source: 'live', receivedAt: 1_780_000_000_000, time: 1_780_000_000_000, key: 's1', weight: 1 },
  ...{ country: 'DE', schema: 0, e: { id: 'a', name: 'view', properties: { path: '/a', amount: 2 } } },
}
const nested = (levels: number): unknown => (levels === 0 ? 1 : { a: nested(levels - 1) })
const ofText = (text: string): string =>
  JSON.stringify({ ...PLAIN, e: { ...PLAIN.e, properties: 0 } }).replace('"properties":0', text)

test.each([
  ['a plain line', JSON.stringify(PLAIN), true],
  ['no properties at all', JSON.stringify({ ...PLAIN, e: { id: 'a', name: 'view' } }), true],
  [
    'properties that nest as deep as they may',
    JSON.stringify({ ...PLAIN, e: { ...PLAIN.e, properties: nested(31) } }),
    true,
  ],
  ['and one level deeper', JSON.stringify({ ...PLAIN, e: { ...PLAIN.e, properties: nested(32) } }), false],
  ['a context that nests as deep', JSON.stringify({ ...PLAIN, e: { ...PLAIN.e, context: nested(31) } }), true],
  ['and one level deeper as well', JSON.stringify({ ...PLAIN, e: { ...PLAIN.e, context: nested(32) } }), false],
  ['equal names: the last one holds', ofText('"properties":{"path":"/1","path":"/2"}'), true],
  ['an escape', ofText('"properties":{"path":"\\u0041"}'), false],
  ['a space', ofText('"properties": {}'), false],
  ['a number that is none', ofText('"properties":{"amount":01}'), false],
  ['a number beyond all doubles', ofText('"properties":{"amount":1e999}'), false],
  ['minus zero', ofText('"properties":{"amount":-0.0e5}'), false],
  ['a number a little below zero', ofText('"properties":{"amount":-0.5}'), true],
  ['properties twice', ofText('"properties":{"path":"/1"},"properties":{}'), false],
  ['a member that no event has', ofText('"more":1'), false],
  [
    'more properties than are kept apart',
    ofText(`"properties":${JSON.stringify(Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`p${i}`, i])))}`),
    false,
  ],
  ['text behind the line', `${JSON.stringify(PLAIN)} `, false],
  ['another order', `{"source":"live","tenant":"main"${JSON.stringify(PLAIN).slice(32)}`, false],
])('%s', (_, text, isScanned) => {
  scanned = 0
  for (const frame of [text, `${text}\n${JSON.stringify(PLAIN)}`]) expectSame(encode(frame))
  expect(scanned > 1).toBe(isScanned)
})

test('a line keeps its own properties when the next one is read', () => {
  const lines = ['/1', '/2'].map((path) => JSON.stringify({ ...PLAIN, e: { ...PLAIN.e, properties: { path } } }))
  reader.open(encode(lines.join('\n')))
  const [first, second] = [reader.next(), reader.next()] as EventLine[]
  const path = fieldReader('properties.path')
  expect([path(first), path(second)]).toEqual(['/1', '/2'])
})

test('the hash of bytes is the hash of their text', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 40 }), (userId) => {
      const [line] = readFast(encode(JSON.stringify({ ...PLAIN, e: { ...PLAIN.e, userId } })))
      expect('user' in line && line.user).toBe(memberHash(userId))
    }),
  )
})
