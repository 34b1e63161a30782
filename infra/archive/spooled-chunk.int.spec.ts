import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { frameRows } from '#processors/archive/frame-rows.ts'
import type { ArchiveFiles } from '#processors/ports.ts'
import { eventLine } from '#processors/storage/fixtures.ts'
import { type ArchivedEvent, type ArchiveRow, EVENT_COLUMNS } from '#schema/archive.ts'
import { toEventRow, toLine } from '#schema/archive-row.ts'
import type { Settlement } from '#schema/checkpoint.ts'
import type { EventLine } from '#schema/event.ts'
import { readEventLine } from '#schema/event-line.ts'
import { createDuck, type Duck } from './duck.ts'
import { openFolder } from './folder.ts'
import { createParquetFiles, parquetOf } from './parquet.ts'

const PLACE = { partition: 3, sequence: 4_711 }
const encoder = new TextEncoder()
let folder: string
let duck: Duck
let files: ArchiveFiles

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-archive-'))
  duck = createDuck({ folder })
  files = await createParquetFiles(duck, await openFolder(join(folder, 'archive')), join(folder, 'spool'))
})
afterAll(async () => {
  await duck.close()
  await rm(folder, { recursive: true })
})

const COLUMNS = Object.entries(EVENT_COLUMNS).map(([name, { type }]) => {
  if (type === 'TIMESTAMP') return `epoch_ms("${name}")::DOUBLE AS "${name}"`
  return type === 'BIGINT' ? `"${name}"::DOUBLE AS "${name}"` : `"${name}"`
})

/** The lines of a frame of which every one counted, as the archive has them, in the order of its file. */
const archived = async (lines: readonly string[]): Promise<{ rows: ArchivedEvent[]; plain: number }> => {
  const data = encoder.encode(lines.join('\n'))
  const settlement = { partition: PLACE.partition, outcomes: {} } as unknown as Settlement
  const [group] = frameRows(settlement, { sequence: PLACE.sequence, storedAt: 0, kind: 'events', data })
  const chunk = await files.chunk()
  await chunk.add(group)
  const file = await chunk.encode(group.group)
  const path = (file.body as { path: string }).path
  const rows: ArchivedEvent[] = []
  for await (const some of duck.stream(`SELECT ${COLUMNS.join(', ')} FROM ${parquetOf([path])}`)) {
    rows.push(...(some as unknown as ArchivedEvent[]))
  }
  await file.discard()
  await chunk.discard()
  return { rows, plain: group.plain?.indexes.length ?? 0 }
}

/** Mostly such as the bytes of a line are taken with. */
const text = fc.oneof(
  { weight: 40, arbitrary: fc.stringMatching(/^[a-z .]{1,20}$/) },
  {
    weight: 1,
    arbitrary: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter((s) => !s.includes('\0')),
  },
)
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined })
const object = fc.dictionary(
  fc.oneof({ weight: 40, arbitrary: text }, fc.string()),
  fc.oneof({ weight: 40, arbitrary: fc.oneof(text, fc.integer()) }, fc.jsonValue({ maxDepth: 3 })),
  { maxKeys: 4 },
)
/** toEventRow takes it for a number and keeps the line beside the row, which says the same. */
const MINUS_ZERO_IN_TEXT = /"[^":,]*-0/
/** Lines as gateways write them, and some that no gateway does. */
const line = fc
  .record({
    country: optional(text),
    device: optional(text),
    weight: fc.constantFrom(1, 12.5, 4),
    otherKey: fc.option(text, { freq: 2 }),
    schema: fc.nat({ max: 1000 }),
    more: fc.constantFrom('', '', '', ',"x":1', ',"properties":{"n":-0.0}', ',"time":12', ',"schemaVersion":1.5'),
    e: fc.record({
      time: optional(fc.constantFrom('2024-05-01T12:00:00Z', '2024-05-01T14:00:00.123456+02:00')),
      sessionId: optional(text),
      userId: optional(text),
      anonymousId: optional(text),
      properties: optional(object),
      context: optional(object),
      schemaVersion: optional(fc.nat({ max: 1000 })),
    }),
  })
  .map(({ e, more, otherKey, ...server }) => {
    const key = otherKey ?? e.sessionId ?? e.userId ?? e.anonymousId ?? 'id'
    const { schema, e: event, ...before } = eventLine('id', { ...server, key, e })
    // In the order in which a gateway writes them.
    return JSON.stringify({ ...before, schema, e: event }).replace(/\}\}$/, `${more}}}`)
  })
  .filter((one) => typeof readEventLine(one) !== 'string' && !MINUS_ZERO_IN_TEXT.test(one))

/** Members of JSON text may stand in any order, and numbers be written in more than one way. */
const withValues = ({ properties, context, line: whole, ...columns }: ArchivedEvent) => ({
  ...columns,
  properties: properties && JSON.parse(properties),
  context: context && JSON.parse(context),
  isWhole: whole !== null,
})

it('has the same row of a line whose bytes are taken as of one that is read', async () => {
  let taken = 0
  await fc.assert(
    fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 30 }), async (lines) => {
      const { rows, plain } = await archived(lines)
      taken += plain
      expect(rows.map(({ index }) => index)).toEqual(lines.map((_, index) => index))
      for (const [index, row] of rows.entries()) {
        expect(JSON.parse(toLine(row))).toEqual(JSON.parse(lines[index]))
        const read: ArchiveRow = toEventRow(lines[index], readEventLine(lines[index]) as EventLine, { ...PLACE, index })
        if (row.line === null) expect(withValues(row)).toEqual({ ...withValues(read as ArchivedEvent), isWhole: false })
        else expect(withValues(row)).toEqual(withValues(read as ArchivedEvent))
      }
    }),
    { numRuns: 150 },
  )
  expect(taken).toBeGreaterThan(50)
})

it('takes the lines of a gateway as they are, and reads what is out of the ordinary', async () => {
  const usual = JSON.stringify(
    eventLine('a', {
      key: 's',
      e: { sessionId: 's', time: '2024-05-01T12:00:00Z', properties: { n: 1.5, list: ['ü'] } },
    }),
  )
  const { rows, plain } = await archived([usual, JSON.stringify(eventLine('b "quoted"')), usual])
  expect(plain).toBe(2)
  expect(rows.map(({ index, sent_session, line: whole }) => [index, sent_session, whole])).toEqual([
    [0, true, null],
    [1, false, null],
    [2, true, null],
  ])
})
