import fc from 'fast-check'

/** Numbers as JSON can write them. */
const NUMBERS = [
  '0',
  '-0',
  '-0.0',
  '0e0',
  '-0e-0',
  '1',
  '-1',
  '1.0',
  '1e0',
  '1E+2',
  '1E-2',
  '10',
  '0.1',
  '0.30000000000000004',
  '1e21',
  '1e-7',
  '123456789012345678901234567890',
  '18446744073709551615',
  '18446744073709551616',
  '9223372036854775807',
  '-9223372036854775808',
  '-9223372036854775809',
  '9007199254740991',
  '9007199254740993',
  '1e308',
  '-1e308',
  '1.7976931348623157e308',
  '5e-324',
  '2e-324',
  '1e-400',
  '2.2250738585072011e-308',
  '0.000000000000000000000000000000000000001',
  '4.35',
  '1.005',
  '100000000000000000000',
  `1${'0'.repeat(308)}`,
  `0.${'0'.repeat(400)}1`,
  `3.${'1'.repeat(500)}`,
  `${'9'.repeat(400)}e-395`,
] as const

/** No numbers of JSON, or beyond a double. */
const BAD_NUMBERS = [
  '1.7976931348623159e308',
  '1E400',
  '-1e999',
  `1${'0'.repeat(309)}`,
  '+1',
  '01',
  '.5',
  '5.',
  '1e',
  '0x10',
  'NaN',
  'Infinity',
  '-Infinity',
  '1_000',
] as const

/** Code points that readers differ about, besides ordinary ones. */
const POINTS = [
  0x00, 0x01, 0x08, 0x09, 0x0a, 0x0d, 0x1f, 0x20, 0x22, 0x27, 0x2c, 0x2e, 0x2f, 0x3a, 0x5c, 0x5f, 0x7b, 0x7d, 0x7e,
  0x7f, 0x80, 0x85, 0xa0, 0xad, 0xff, 0x130, 0x131, 0x301, 0x3a9, 0x42f, 0x200b, 0x200d, 0x2028, 0x2029, 0x202e, 0xd7ff,
  0xe000, 0xfdd0, 0xfeff, 0xfffd, 0xfffe, 0xffff, 0x1_0000, 0x1_f600, 0x1_fffe, 0x10_ffff,
] as const

const TEXTS = [
  '',
  ' ',
  '0',
  '1',
  'true',
  'null',
  'NaN',
  '2026-01-01',
  '2026-01-01T00:00:00Z',
  '0190a0b0-1234-7abc-8def-0123456789ab',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  'length',
  '__other__',
  "'; DROP TABLE raw_events; --",
  '$.a',
  'a.b',
  'a/b',
  '~0',
  '~1',
  '*',
  '[0]',
  '-',
  '\\',
  '"',
  '\u0002',
  '{"a":1}',
  'x'.repeat(300),
  `${'x'.repeat(255)}😀`,
] as const

const hex = (unit: number, upper: boolean): string => {
  const text = unit.toString(16).padStart(4, '0')
  return `\\u${upper ? text.toUpperCase() : text}`
}

const SHORT: Record<string, string> = { '\b': '\\b', '\f': '\\f', '\n': '\\n', '\r': '\\r', '\t': '\\t', '/': '\\/' }

/** One character of a string, raw or by an escape; what must be escaped mostly is. */
const character = fc
  .tuple(
    fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom(...POINTS) },
      { weight: 4, arbitrary: fc.integer({ min: 32, max: 126 }) },
    ),
    fc.constantFrom('raw', 'raw', 'raw', 'raw', 'upper', 'lower', 'short'),
  )
  .map(([point, how]) => {
    const text = String.fromCodePoint(point)
    if (how === 'short' && SHORT[text]) return SHORT[text]
    if (how === 'upper' || how === 'lower') {
      return [...Array(text.length).keys()].map((i) => hex(text.charCodeAt(i), how === 'upper')).join('')
    }
    return point < 32 || text === '"' || text === '\\' ? JSON.stringify(text).slice(1, -1) : text
  })

const oddity = fc.constantFrom('\\ud83d', '\\uDE00', '\\u12', '\\x41', '\n', '\t', '\\')

const string = fc.oneof(
  { weight: 120, arbitrary: fc.array(character, { maxLength: 12 }).map((parts) => `"${parts.join('')}"`) },
  { weight: 60, arbitrary: fc.constantFrom(...TEXTS).map((text) => JSON.stringify(text)) },
  { weight: 1, arbitrary: fc.tuple(character, oddity).map((parts) => `"${parts.join('')}"`) },
  { weight: 5, arbitrary: fc.integer({ min: 300, max: 9_000 }).map((n) => `"${'ÿa'.repeat(n / 2)}"`) },
)

const number = fc.oneof(
  { weight: 30, arbitrary: fc.constantFrom(...NUMBERS) },
  { weight: 1, arbitrary: fc.constantFrom(...BAD_NUMBERS) },
  { weight: 20, arbitrary: fc.double().map((n) => JSON.stringify(n)) },
  { weight: 10, arbitrary: fc.bigInt({ min: -(2n ** 130n), max: 2n ** 130n }).map(String) },
  {
    weight: 10,
    arbitrary: fc
      .tuple(fc.bigInt({ min: 0n, max: 10n ** 25n }), fc.nat({ max: 99_999 }), fc.integer({ min: -340, max: 330 }))
      .map(([whole, part, exponent]) => `${whole}.${part}e${exponent}`),
  },
)

const space = fc.oneof(
  { weight: 60, arbitrary: fc.constantFrom('', '', '', ' ', '\t', '\r', ' \t ') },
  { weight: 1, arbitrary: fc.constant('\n') },
)

const unescaped = (text: string): string => {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
/** One member for each key; now and then one comes twice, by the same text or by another. */
const members = (entries: [key: string, rest: string][], dice: number): string[] => {
  const unique = new Map(entries.map(([name, rest]) => [unescaped(name), name + rest]))
  return dice === 0 ? entries.map(([name, rest]) => name + rest) : [...unique.values()]
}

/** Keys of properties: some so few that they meet each other, and the conditions that ask for them. */
export const COMMON_KEYS = ['a', 'b', 'c', 'k é', "q'", 'A'] as const
const key = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...COMMON_KEYS).map((text) => JSON.stringify(text)) },
  { weight: 2, arbitrary: string },
  { weight: 1, arbitrary: fc.constantFrom('"\\u0061"', '"\\u0041"', '""') },
)

const joined = (open: string, close: string, item: fc.Arbitrary<string>, maxLength: number): fc.Arbitrary<string> =>
  fc
    .tuple(fc.array(item, { maxLength }), space)
    .map(([items, gap]) => `${open}${gap}${items.join(`${gap},`)}${gap}${close}`)

const { value, object } = fc.letrec<{ value: string; object: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    { weight: 5, arbitrary: string },
    { weight: 5, arbitrary: number },
    { weight: 2, arbitrary: fc.constantFrom('true', 'false', 'null') },
    { weight: 1, arbitrary: joined('[', ']', tie('value'), 5) },
    { weight: 1, arbitrary: tie('object') },
  ),
  object: fc
    .tuple(fc.array(fc.tuple(key, space, tie('value')), { maxLength: 6 }), space, fc.nat({ max: 60 }))
    .map(([items, gap, dice]) => {
      const entries = items.map(([name, inner, content]): [string, string] => [name, `${inner}:${inner}${content}`])
      return `{${gap}${members(entries, dice).join(`${gap},`)}${gap}}`
    }),
}))

const nested = fc
  .tuple(fc.integer({ min: 20, max: 31 }), fc.boolean())
  .map(([levels, array]) =>
    array ? `${'['.repeat(levels)}${']'.repeat(levels)}` : `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`,
  )
const many = fc
  .integer({ min: 100, max: 900 })
  .map((n) => `{${Array.from({ length: n }, (_, i) => `"k${i}":${i}`).join(',')}}`)

const properties = fc.oneof(
  { weight: 12, arbitrary: object },
  { weight: 1, arbitrary: nested.map((inner) => `{"a":${inner}}`) },
  { weight: 1, arbitrary: many },
  { weight: 1, arbitrary: value },
)

const TIMES = [
  '2026-01-31T12:00:00.000Z',
  '2026-01-31T12:00:00Z',
  '2026-01-31t12:00:00z',
  '2026-01-31 12:00:00+01:00',
  '2026-01-31T23:59:60Z',
  '2024-02-29T00:00:00.123456789Z',
  '2000-01-01T00:00:00Z',
  '2026-01-31T12:00:00-23:59',
  '2026-01-31T11:59:59.9999Z',
  '2015-06-30T23:59:60+00:00',
  '2023-02-29T00:00:00Z',
  '1999-12-31T23:59:59.999Z',
] as const

/** A field of the event; absent once in `weight + 1` times. */
const field = (name: string, content: fc.Arbitrary<string>, weight: number) =>
  fc.oneof(
    { weight, arbitrary: content.map((text) => `"${name}":${text}`) },
    { weight: 1, arbitrary: fc.constant(null) },
  )

const id = fc.oneof(
  { weight: 8, arbitrary: fc.uuid().map((text) => `"${text}"`) },
  { weight: 3, arbitrary: string },
  { weight: 1, arbitrary: value },
)
const name = fc.oneof(
  { weight: 10, arbitrary: fc.constantFrom('"page_view"', '"click"', '"conversion"', '"other"', '"o\\u0074her"') },
  { weight: 1, arbitrary: value },
)

/** Text of one event as a client might send it: mostly right, sometimes wrong in one way or another. */
export const eventText: fc.Arbitrary<string> = fc
  .tuple(
    field('id', id, 8),
    field('name', name, 40),
    field(
      'time',
      fc.oneof(
        { weight: 30, arbitrary: fc.constantFrom(...TIMES).map((text) => JSON.stringify(text)) },
        { weight: 1, arbitrary: value },
      ),
      2,
    ),
    field('sessionId', string, 1),
    field('userId', string, 1),
    field('anonymousId', fc.oneof(string, fc.constant('null')), 1),
    field('properties', properties, 20),
    field('context', fc.oneof({ weight: 4, arbitrary: object }, { weight: 1, arbitrary: value }), 1),
    fc.oneof(
      { weight: 30, arbitrary: fc.constant(null) },
      { weight: 1, arbitrary: number.map((n) => `"schemaVersion":${n}`) },
    ),
    fc.oneof(
      { weight: 40, arbitrary: fc.constant(null) },
      { weight: 1, arbitrary: fc.tuple(key, value).map(([k, v]) => `${k}:${v}`) },
    ),
    space,
  )
  .map((parts) => {
    const gap = parts.at(-1)
    return `{${gap}${parts
      .slice(0, -1)
      .filter((part) => part !== null)
      .join(`${gap},${gap}`)}}`
  })

/** Its bytes; sometimes one of them is not what it was. */
export const eventBytes: fc.Arbitrary<Buffer> = fc
  .tuple(eventText, fc.tuple(fc.nat({ max: 9_999 }), fc.nat({ max: 255 })), fc.nat({ max: 19 }))
  .map(([text, change, dice]) => {
    const bytes = Buffer.from(text)
    if (dice === 0) bytes[change[0] % bytes.length] = change[1]
    return bytes
  })
