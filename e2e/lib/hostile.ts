/** An event that must not enter the log, as it is written. */
export interface HostileEvent {
  what: string
  text: string | Buffer
  /** Verdict when it stands among others: a line of the collector, an element of trackBatch. */
  code: string
  /** When the whole GraphQL request cannot be read, or trackEvents has a type that forbids it. */
  batch?: 'BAD_INPUT'
  typed?: 'BAD_INPUT'
}

const nested = (levels: number): string => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`
const event = (rest: string): string => `{"name":"page_view",${rest}}`
const serverField = (field: string): HostileEvent => ({
  what: `a field ${field} as the server writes it`,
  text: event(`${JSON.stringify(field)}:"x"`),
  code: 'MALFORMED',
  typed: 'BAD_INPUT',
})

export const HOSTILE_EVENTS: HostileEvent[] = [
  { what: 'malformed JSON', text: '{"name":', code: 'MALFORMED', batch: 'BAD_INPUT', typed: 'BAD_INPUT' },
  { what: 'a number in place of an event', text: '5', code: 'MALFORMED', typed: 'BAD_INPUT' },
  { what: 'null in place of an event', text: 'null', code: 'MALFORMED', typed: 'BAD_INPUT' },
  { what: 'a name that is a number', text: '{"name":5}', code: 'MALFORMED', typed: 'BAD_INPUT' },
  { what: 'no name', text: '{"id":"nameless"}', code: 'MALFORMED', typed: 'BAD_INPUT' },
  { what: 'properties that are a list', text: event('"properties":[1]'), code: 'MALFORMED' },
  { what: 'a status that is text', text: event('"properties":{"status":"200"}'), code: 'SCHEMA_VIOLATION' },
  { what: 'depth 10,000', text: event(`"properties":${nested(10_000)}`), code: 'TOO_DEEP' },
  { what: '__proto__', text: event('"__proto__":{"polluted":1}'), code: 'MALFORMED', typed: 'BAD_INPUT' },
  { what: '__proto__ further down', text: event('"properties":{"a":{"__proto__":{"polluted":1}}}'), code: 'MALFORMED' },
  { what: 'duplicate keys', text: event('"userId":"a","userId":"b"'), code: 'MALFORMED' },
  { what: 'duplicate keys, escaped', text: event('"properties":{"a":1,"\\u0061":2}'), code: 'MALFORMED' },
  { what: 'a lone surrogate', text: event('"userId":"\\ud800"'), code: 'MALFORMED' },
  { what: 'a lone surrogate in a key', text: event('"properties":{"\\udc00":1}'), code: 'MALFORMED' },
  {
    what: 'invalid UTF-8',
    text: Buffer.from(event('"userId":"\xff\xfe"'), 'latin1'),
    code: 'MALFORMED',
    batch: 'BAD_INPUT',
    typed: 'BAD_INPUT',
  },
  { what: '1e999', text: event('"properties":{"bytes":1e999}'), code: 'MALFORMED' },
  ...['tenant', 'source', 'receivedAt', 'key', 'weight', 'schema', 'country', 'e'].map(serverField),
  { what: 'an id of 10 KB', text: event(`"id":"${'i'.repeat(10_240)}"`), code: 'MALFORMED' },
  { what: 'an event of 33 KB', text: event(`"properties":{"a":"${'p'.repeat(33_000)}"}`), code: 'EVENT_TOO_LARGE' },
  { what: 'a time in 1970', text: event('"time":"1970-01-01T00:00:00Z"'), code: 'TIME_OUT_OF_RANGE' },
  { what: 'a time in 9999', text: event('"time":"9999-12-31T23:59:59Z"'), code: 'TIME_OUT_OF_RANGE' },
  { what: 'a time that is none', text: event('"time":"yesterday"'), code: 'MALFORMED' },
]

/** Odd, but allowed: all of it must come back as it was sent. */
export const ODD_PROPERTIES: Record<string, unknown> = {
  path: '/a?b=<script>&c=\'; DROP TABLE raw_events; --"\\',
  text: 'tab\t newline\n nul\u0000 quote" 😀 \u2028 \ufeff é \u{10ffff}',
  '': 'empty key',
  'a.b': 1,
  constructor: 2,
  tenant: 'other',
  weight: 99,
  numbers: [1e308, 5e-324, -1, 0.1, 9_007_199_254_740_991],
  nothing: null,
  deep: JSON.parse(nested(25)),
}
