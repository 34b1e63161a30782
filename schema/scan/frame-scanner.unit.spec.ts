import fc from 'fast-check'
import { expect, test } from 'vitest'
import { codedField, type EventLine, fieldReader } from '../event.ts'
import { FrameReader } from './frame-reader.ts'
import type { CodedField } from './frame-scanner.ts'
import { ABSENT, NO_CODE } from './properties.ts'
import { ScannedLine } from './scanned-line.ts'

const FIELDS = ['name', 'country', 'device', 'properties.path', 'properties.status']
const CODED = FIELDS.map((field) => codedField(field)!)
const READERS = FIELDS.map(fieldReader)

interface Sent {
  name: string
  country?: string
  device?: string
  path?: unknown
  status?: unknown
}

const textOf = ({ name, country, device, ...properties }: Sent, i: number): string =>
  JSON.stringify({
    ...{ tenant: 'main', source: 'live', receivedAt: 1_780_000_000_000, time: 1_780_000_000_000, key: 's1', weight: 1 },
    ...{ country, device, schema: 0, e: { id: `i${i}`, name, properties } },
  })
const frameOf = (events: readonly Sent[]): Uint8Array => new TextEncoder().encode(events.map(textOf).join('\n'))

function* linesOf(data: Uint8Array): Generator<EventLine> {
  const reader = new FrameReader()
  reader.open(data)
  for (let line = reader.next(); line !== null; line = reader.next()) yield line as EventLine
}
const codesOf = (line: EventLine): number[] =>
  CODED.map((field: CodedField) => (line instanceof ScannedLine ? line.code(field) : NO_CODE))

/** Few texts come again and again, more than there are slots for come once, and some have none. */
const text = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('a', 'b', '', 'NL', '1', '-1', 'path') },
  { weight: 3, arbitrary: fc.nat(30_000).map((n) => `/page/${n}`) },
  { weight: 1, arbitrary: fc.constantFrom('ü', 'x'.repeat(64), 'x'.repeat(65)) },
)
const value = fc.oneof(
  text,
  fc.constantFrom<unknown>(0, 1, 200, 999_999_999, 1_000_000_000, -1, 0.5, true, null, undefined, { a: 1 }),
)
const event: fc.Arbitrary<Sent> = fc.record({
  name: fc.constantFrom('view', 'click', 'path'),
  country: fc.option(text, { nil: undefined }),
  device: fc.option(text, { nil: undefined }),
  path: value,
  status: value,
})

test('equal codes are equal values, and other codes are others, however many texts have come between', () => {
  const valueBy = new Map<number, unknown>()
  const newest = new Map<unknown, number>()
  let coded = 0
  fc.assert(
    fc.property(fc.array(event, { minLength: 200, maxLength: 400 }), (events) => {
      for (const line of linesOf(frameOf(events))) {
        const codes = codesOf(line)
        for (const [i, code] of codes.entries()) {
          const is = READERS[i](line)
          if (code === NO_CODE) continue
          coded++
          if (valueBy.has(code)) expect(valueBy.get(code)).toBe(is)
          valueBy.set(code, is)
          // Only a text that was forgotten meanwhile gets another one.
          if (newest.has(is) && newest.get(is) !== code) expect(is).toBeTypeOf('string')
          newest.set(is, code)
        }
      }
    }),
    { numRuns: 60 },
  )
  expect(coded).toBeGreaterThan(10_000)
  // More than there are slots: some were forgotten, and came again.
  expect(valueBy.size).toBeGreaterThan(newest.size)
})

test('one line has one code for one value wherever it stands', () => {
  const [line] = linesOf(frameOf([{ name: 'path', country: 'path', path: 'path' }]))
  const [name, country, device, path, status] = codesOf(line)
  expect([country, path]).toEqual([name, name])
  expect([device, status]).toEqual([ABSENT, ABSENT])
})

test('frames that are read in turn do not get into each other', () => {
  const frames = ['a', 'b'].map((path) => frameOf([1, 2, 3].map((status) => ({ name: 'view', path, status }))))
  const [first, second] = frames.map((frame) => linesOf(frame))
  const [path, status] = [fieldReader('properties.path'), fieldReader('properties.status')]
  const read: unknown[] = []
  for (const one of first) {
    const other = second.next().value as EventLine
    read.push([path(other), status(other), path(one), status(one)])
    expect(codesOf(one)).toEqual(CODED.map(() => NO_CODE))
  }
  expect(read).toEqual([1, 2, 3].map((n) => ['b', n, 'a', n]))
})

test('a line that was read keeps its values when what comes next is no plain line', () => {
  const reader = new FrameReader()
  reader.open(frameOf([{ name: 'view', path: 'a' }]))
  const line = reader.next() as EventLine
  const other = new FrameReader()
  other.open(new TextEncoder().encode('{"tenant": "spaced"}'))
  expect(other.next()).toBeTypeOf('string')
  expect([fieldReader('properties.path')(line), codesOf(line)[3]]).toEqual(['a', NO_CODE])
  expect(line).toBeInstanceOf(ScannedLine)
})
