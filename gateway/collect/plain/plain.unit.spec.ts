import fc from 'fast-check'
import { Registry } from 'prom-client'
import { describe, expect, it } from 'vitest'
import { BUILTIN_SCHEMAS, type Priority } from '#schema/builtin-schemas.ts'
import { MillraceError } from '#schema/errors.ts'
import { createFakeGeoIp, createMemoryLog } from '../../testing/fakes.ts'
import { createCollector } from '../collector.ts'
import { createCollectMetrics } from '../metrics.ts'
import { parseBody } from '../parse.ts'
import { createPriorities } from '../priority.ts'
import { readEvents, type SentEvents } from '../read-events.ts'
import { createSchemaCheck } from '../schema-check.ts'
import { PlainEvents, readPlain } from './events.ts'

const NOW = Date.UTC(2026, 5, 1, 12)
const checkSchema = createSchemaCheck(BUILTIN_SCHEMAS)
const metrics = createCollectMetrics(new Registry())
const AGENT = 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_9_1) AppleWebKit/537.36 Chrome/32.0.1700.77 Safari/537.36'

/** Of LOW events only sessions whose name ends on an even figure are kept, each for two. */
const shedding = {
  shed: {
    weightOf(_tenant: string, _partition: number, key: string, priority: Priority) {
      if (priority !== 'LOW') return 1
      return /[02468]$/.test(key) ? 2 : 0
    },
  },
  priorityOf: createPriorities({ schemas: BUILTIN_SCHEMAS, high: [], low: [] }),
}

/** What a gateway makes of a body that is read in this way: its receipt or error, and its lines by partition. */
const collect = async (read: (body: Buffer) => SentEvents, body: Buffer) => {
  const memory = createMemoryLog()
  const collector = createCollector({
    log: memory.log,
    geoip: createFakeGeoIp({ '5.6.7.8': 'DE', '1.1.1.1': 'AU' }),
    clock: { now: () => NOW },
    metrics,
    intake: { note: () => undefined },
    checkSchema,
    shedding,
    partitions: 4,
    processId: 'test',
  })
  const from = { tenant: 'main', address: '5.6.7.8', userAgent: AGENT }
  try {
    const { accepted, rejected, verdicts } = await collector.collect({ ...from, ...read(body) })
    await collector.drain(1_000)
    const frames = memory.frames.map(({ partition, data, counts, received }) => ({
      partition,
      counts: [...counts],
      received,
      lines: Buffer.from(data).toString(),
    }))
    return { accepted, rejected, verdicts, frames }
  } catch (error) {
    if (error instanceof MillraceError) return { code: error.code, message: error.message }
    throw error
  }
}

/** Lines with their values, so that the order of members and the form of equal values do not matter. */
const valuesOf = (result: Awaited<ReturnType<typeof collect>>) =>
  'frames' in result
    ? {
        ...result,
        frames: result.frames!.map((frame) => ({ ...frame, lines: frame.lines.split('\n').map(parseLine) })),
      }
    : result
const parseLine = (line: string): unknown => (line === '' ? '' : JSON.parse(line))

const expectSame = async (body: Buffer): Promise<void> => {
  const [plain, parsed] = [await collect(readEvents, body), await collect(parseBody, body)]
  expect(valuesOf(plain)).toEqual(valuesOf(parsed))
}

const id = (n: number) => `01a22252-138e-73a4-9dbf-${String(n).padStart(12, '0')}`
const event = (n: number, more: object = {}) => ({
  id: id(n),
  name: 'page_view',
  time: '2026-06-01T11:59:58.123Z',
  sessionId: `session-${n % 7}`,
  anonymousId: 'visitor-1',
  context: { ip: '1.1.1.1', userAgent: AGENT, locale: 'de-DE' },
  properties: { path: '/cart', title: 'Cart', status: 200, bytes: 10_100 },
  ...more,
})
const linesOf = (events: readonly unknown[]) => Buffer.from(events.map((one) => JSON.stringify(one)).join('\n'))
/** Whether all events of the body need no parsing. */
const isPlain = (body: Buffer | string): boolean => {
  const events = readPlain(Buffer.from(body as string))
  if (!(events instanceof PlainEvents)) return false
  return Array.from({ length: events.length }, (_, i) => events.isPlain(i)).every(Boolean)
}

describe('plain events', () => {
  it('go into the log as they came, less the address', async () => {
    const { frames } = (await collect(readEvents, linesOf([event(1)]))) as { frames: { lines: string }[] }
    const sent = JSON.stringify(event(1)).replace('"ip":"1.1.1.1",', '')
    expect(frames[0].lines).toBe(
      `{"tenant":"main","source":"live","receivedAt":${NOW},"time":${NOW - 1_877},"key":"session-1","weight":1,"country":"AU","browser":"Chrome","os":"macOS","device":"desktop","schema":1,"e":${sent}}`,
    )
  })

  it.each<[string, string | object]>([
    ['an address alone', event(1, { context: { ip: '1.1.1.1' } })],
    ['an address at the end', event(1, { context: { locale: 'x', ip: '1.1.1.1' } })],
    ['no context', event(1, { context: undefined })],
    ['nested properties', event(1, { name: 'x', properties: { a: { b: [1, 'two', { c: null }], d: true } } })],
    ['text beyond ASCII', event(1, { userId: 'Zoë', sessionId: undefined, properties: { path: '/ä/😀' } })],
    ['escapes that JSON.stringify writes', event(1, { properties: { title: 'a "b"\n\\' } })],
    ['no time, and an id that has one', { id: '01973a5c-138e-73a4-9dbf-2d35d5903651', name: 'x' }],
    ['an empty object', event(1, { properties: {} })],
    ['decimals', event(1, { name: 'x', properties: { a: 12.5, b: -0.001, c: 0, d: 0.000001, e: 123456789012345 } })],
    ['a whole second', event(1, { time: '2026-06-01T11:59:58Z' })],
    ['a number as a name', event(1, { name: 'x', properties: { 1: 2, 0: 3 } })],
  ])('%s needs no parsing', async (_, sent) => {
    const body = Buffer.from(JSON.stringify(sent))
    expect(isPlain(body)).toBe(true)
    await expectSame(body)
  })

  it('say whose they are and when they came, whatever came before them', async () => {
    const memory = createMemoryLog()
    let now = NOW
    const collector = createCollector({
      log: memory.log,
      geoip: createFakeGeoIp({ '5.6.7.8': 'DE', '1.1.1.1': 'AU' }),
      clock: { now: () => now },
      metrics,
      intake: { note: () => undefined },
      checkSchema,
      partitions: 1,
      processId: 'test',
    })
    const requests = [
      { tenant: 'a', source: 'live', at: NOW, name: 'x', country: 'DE' },
      { tenant: 'b', source: 'live', at: NOW, name: 'x', country: 'DE' },
      { tenant: 'b', source: 'import', at: NOW, name: 'x', country: undefined },
      { tenant: 'b', source: 'import', at: NOW + 1, name: 'x', country: undefined },
      { tenant: 'a', source: 'live', at: NOW + 1, name: 'page_view', country: 'DE' },
      { tenant: 'a', source: 'live', at: NOW + 1, name: 'x', country: 'DE' },
    ]
    for (const { tenant, source, at, name } of requests) {
      now = at
      const events = readPlain(Buffer.from(JSON.stringify({ id: 'i', name, userId: 'u', properties: { path: '/' } })))!
      expect(events.isPlain(0)).toBe(true)
      await collector.collect({ tenant, source, address: '5.6.7.8', events })
    }
    await collector.drain(1_000)
    const lines = memory.frames.flatMap(({ data }) => Buffer.from(data).toString().split('\n')).map(parseLine)
    expect(lines).toMatchObject(
      requests.map(({ tenant, source, at, name, country }) => ({
        tenant,
        source,
        receivedAt: at,
        schema: name === 'page_view' ? 1 : 0,
        ...(country && { country }),
        e: { name },
      })),
    )
  })

  it('under load shedding are kept by session with their weight, or shed, as those that are parsed', async () => {
    const names = ['ping', 'page_view', 'conversion']
    const body = linesOf(Array.from({ length: 42 }, (_, n) => event(n, { name: names[n % 3], properties: {} })))
    expect(isPlain(body)).toBe(true)
    await expectSame(body)
    const { accepted, verdicts = [], frames = [] } = await collect(readEvents, body)
    const shed = verdicts.filter(({ status }) => status === 'SHED')
    expect([accepted, shed.length]).toEqual([36, 6])
    // A frame without lines has the counts of what was shed.
    const texts = frames.flatMap(({ lines }) => (lines === '' ? [] : lines.split('\n')))
    expect(texts).toHaveLength(36)
    for (const { key, weight, e } of texts.map((text) => JSON.parse(text))) {
      expect([e.name, key, weight]).toEqual([e.name, key, e.name === 'ping' ? 2 : 1])
      if (e.name === 'ping') expect(key).toMatch(/[02468]$/)
    }
  })

  it.each<[string, string]>([
    [
      'as Python writes it',
      '[{"id": "a", "name": "x", "properties": {"a": [1, 2], "b c": " d "}}, {"id": "b", "name": "x"}]',
    ],
    ['with indents', '[\n  {\n    "id": "a",\n    "name": "x"\n  }\n]\n'],
    ['in lines that end as on Windows', '{"id":"a","name":"x"}\r\n{"id":"b","name":"x"}\r\n'],
  ])('space between tokens, %s, needs no parsing', async (_, text) => {
    expect(isPlain(text)).toBe(true)
    await expectSame(Buffer.from(text))
  })

  it.each<[string, string]>([
    ['a name that comes twice', '{"id":"a","name":"x","properties":{"a":1,"a":2}}'],
    ['a member that comes twice', '{"id":"a","name":"x","id":"b"}'],
    ['properties that come twice', '{"id":"a","name":"x","properties":{},"properties":{"a":1}}'],
    ['a name with an escape', '{"id":"a","name":"x","properties":{"\\u0061":1}}'],
    ['__proto__', '{"id":"a","name":"x","properties":{"__proto__":1}}'],
    ['half of a pair', '{"id":"a","name":"x","properties":{"a":"\\ud800"}}'],
    ['NUL in a key', '{"id":"a","name":"x","sessionId":"\\u0000"}'],
    ['an empty id', '{"id":"","name":"x"}'],
    ['no name', '{"id":"a"}'],
    ['null', '{"id":"a","name":"x","userId":null,"properties":null}'],
    ['an unknown member', '{"id":"a","name":"x","tenant":"other"}'],
    ['a number beyond a double', '{"id":"a","name":"x","properties":{"a":1e999}}'],
    [
      'a number that JSON.stringify writes otherwise',
      '{"id":"a","name":"x","properties":{"a":1.0,"b":-0,"c":0.0000001}}',
    ],
    ['digits beyond a double', '{"id":"a","name":"x","properties":{"a":12345678901234567890}}'],
    ['a wrong type', '{"id":"a","name":"page_view","properties":{"status":"ok"}}'],
    ['a number out of range', '{"id":"a","name":"page_view","properties":{"status":20,"bytes":1}}'],
    ['a text against its pattern', '{"id":"a","name":"conversion","properties":{"currency":"Euro"}}'],
    ['a version of a schema', '{"id":"a","name":"ping","schemaVersion":2}'],
    ['a day that is none', '{"id":"a","name":"x","time":"2026-02-30T00:00:00Z"}'],
    ['an hour that is none', '{"id":"a","name":"x","time":"2026-05-30T24:00:00Z"}'],
    ['a time of tomorrow', '{"id":"a","name":"x","time":"2026-06-02T12:00:01Z"}'],
    ['a time with a zone', '{"id":"a","name":"x","time":"2026-06-01T12:00:00+02:00"}'],
    ['a name that is none', '{"id":"a","name":"X y"}'],
    ['an address that is no text', '{"id":"a","name":"x","context":{"ip":1,"userAgent":[]}}'],
    ['numbers apart', '{"id":"a","name":"x","properties":{"a":1 2}}'],
    ['words apart', '{"id":"a","name":"x","properties":{"a":tr ue}}'],
    ['no object', '7\n"a"\n[1]\nnull'],
    ['a list that breaks off', '[{"id":"a","name":"x"},'],
    ['a line that breaks off', '{"id":"a","name":"x"}\n{"id":"b","na\n{"id":"c","name":"x"}'],
    ['nothing', ''],
    ['an empty list', '[]'],
    ['33 levels', `{"id":"a","name":"x","properties":{"a":${'['.repeat(31)}${']'.repeat(31)}}}`],
    ['32 levels', `{"id":"a","name":"x","properties":{"a":${'['.repeat(30)}${']'.repeat(30)}}}`],
    ['a mark of the byte order', '\ufeff{"id":"a","name":"x"}'],
  ])('%s is what it is when it is parsed', (_, text) => expectSame(Buffer.from(text)))

  it('that are too many or too long are refused as when they are parsed', async () => {
    await expectSame(linesOf(Array.from({ length: 5_001 }, (_, n) => ({ id: `${n}`, name: 'x' }))))
    await expectSame(linesOf([event(1), event(2, { properties: { title: 'x'.repeat(33_000) } }), event(3)]))
    await expectSame(linesOf([event(1, { sessionId: 's'.repeat(300) }), event(2, { sessionId: 'ä'.repeat(200) })]))
  })

  it('whatever bytes come, the gateway says and logs the same as when all is parsed', { timeout: 60_000 }, async () => {
    const text = fc.string({
      unit: fc.constantFrom('a', 'B', '7', '"', '\\', '\n', 'é', '😀', ' ', '{', '}', ':', ',', '/'),
    })
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { maxDepth: 3 },
        text,
        fc.integer(),
        fc.double(),
        fc.boolean(),
        fc.constant(null),
        tie('list'),
        tie('object'),
      ),
      list: fc.array(tie('any'), { maxLength: 3 }),
      object: fc.dictionary(text, tie('any'), { maxKeys: 3 }),
    })).object
    const some = fc.record(
      {
        id: fc.oneof(text, fc.uuid()),
        name: fc.constantFrom('x', 'page_view', 'conversion', 'Bad Name'),
        time: fc.constantFrom('2026-06-01T11:59:58.123Z', '2026-06-01T12:00:00.5+02:00', 'yesterday'),
        sessionId: text,
        userId: text,
        properties: value,
        context: fc.oneof(value, fc.constant({ ip: '1.1.1.1', userAgent: AGENT, a: 1 })),
      },
      { requiredKeys: ['name'] },
    )
    const damage = fc.record({
      at: fc.nat(),
      byte: fc.nat(255),
      kind: fc.constantFrom('none', 'none', 'none', 'replace', 'insert', 'remove'),
    })
    const bodies = fc.tuple(
      fc.array(some, { maxLength: 4 }),
      fc.boolean(),
      fc.constantFrom(undefined, undefined, 1),
      damage,
    )
    await fc.assert(
      fc.asyncProperty(bodies, async ([values, isList, indent, { at, byte, kind }]) => {
        // An id of the gateway's own would differ.
        const events = values.map((one, n) => ({ id: `own-${n}`, ...one }))
        const text = isList ? JSON.stringify(events, null, indent) : events.map((one) => JSON.stringify(one)).join('\n')
        const body = [...Buffer.from(text)]
        const place = at % (body.length + 1)
        if (kind === 'replace') body[place] = byte
        else if (kind !== 'none') body.splice(place, kind === 'remove' ? 1 : 0, ...(kind === 'insert' ? [byte] : []))
        const sent = Buffer.from(body)
        fc.pre(!/"id":\s*null|"i\S*":/.test(sent.toString('latin1').replaceAll(/"id":\s*"/g, '')))
        await expectSame(sent)
      }),
      { numRuns: 1_000 },
    )
  })
})
