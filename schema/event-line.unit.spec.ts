import { expect, test } from 'vitest'
import type { EventLine } from './event.ts'
import { readEventLine } from './event-line.ts'

const line: EventLine = {
  tenant: 'main',
  source: 'live',
  receivedAt: 1_700_000_000_000,
  time: 1_700_000_000_000,
  key: 'k',
  weight: 1,
  schema: 0,
  e: { id: 'a', name: 'view', properties: { a: [1, { b: 'x' }], u: '\u0000 \u2028 😀' } },
}
const text = JSON.stringify(line)
const nested = (levels: number): string => `${'['.repeat(levels)}${']'.repeat(levels)}`
const withProperties = (json: string): string => text.replace(/"properties":.*\}\}\}/s, `"properties":${json}}}`)

test('reads what the door writes', () => {
  expect(readEventLine(text)).toEqual(line)
  expect(readEventLine(`\r ${text}\r`)).toEqual(line)
  expect(readEventLine(withProperties(`{"a":${nested(30)}}`))).toBeTypeOf('object')
  expect(readEventLine(withProperties('{"a":"\\ud83d\\ude00"}'))).toMatchObject({ e: { properties: { a: '😀' } } })
})

test.each<[string, string]>([
  ['', 'expected JSON'],
  ['\ufffd\u0000', 'expected JSON'],
  [text.slice(0, -1), 'expected JSON'],
  [text + text, 'expected JSON'],
  ['null', 'expected an object'],
  ['[]', 'tenant'],
  ['5', 'an object'],
  [`${text.slice(0, -1)}${' '.repeat(70_000)}}`, 'at most 65536 characters'],
  [withProperties(`{"a":${nested(31)}}`), 'levels of nesting'],
  [withProperties(`{"a":${nested(30_000)}}`), 'levels of nesting'],
  [withProperties('{"a":"\\ud83d"}'), 'half of a surrogate pair'],
  [withProperties('{"\\uD83D":1}'), 'half of a surrogate pair'],
  [withProperties('[]'), 'properties and context'],
  [withProperties('null'), 'properties and context'],
])('tells of %j why it is none', (broken, reason) => {
  expect(readEventLine(broken)).toContain(reason)
})

const fields: [keyof EventLine, unknown[]][] = [
  ['tenant', [undefined, 5, '', 'a b', 'a.b', '>', '*', 'Main', `a${'x'.repeat(64)}`]],
  ['source', [undefined, null, '', 'a b', 'live\n', 'x'.repeat(129)]],
  ['key', [undefined, '', 7, 'a\u0000b', 'x'.repeat(257)]],
  ['time', [undefined, '1', 1.5, -1, 0, 1e18, 1e300]],
  ['receivedAt', [undefined, null, 1.5, 1e18]],
  ['weight', [undefined, '1', 0, -1, 1e300]],
  ['schema', [undefined, -1, 0.5, 2 ** 31]],
  ['country', [null, {}, 5]],
  ['device', [[]]],
  ['e', [undefined, null, 5, []]],
]
test.each(fields.flatMap(([field, values]) => values.map((value) => [field, value] as const)))(
  'refuses %s as %j',
  (field, value) => {
    expect(readEventLine(JSON.stringify({ ...line, [field]: value }))).toContain('expected ')
  },
)

test.each([
  { id: 5 },
  { id: '' },
  { id: 'a\u0000' },
  { name: undefined },
  { name: 'A view' },
  { userId: 5 },
  { sessionId: null },
  { context: 'x' },
])('refuses an event with %j', (fields) => {
  expect(readEventLine(JSON.stringify({ ...line, e: { ...line.e, ...fields } }))).toContain('expected ')
})
