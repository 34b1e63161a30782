import { expect, test } from 'vitest'
import type { TailCopy } from '#gateway/ports.ts'
import type { EventLine } from '#schema/event.ts'
import { RETENTION } from '#schema/limits.ts'
import type { MetricDefinition } from '#schema/metric.ts'
import type { Copies, CopiesQuery, DefinitionsQuery } from '#schema/olap.ts'
import { createEventStatus } from './event-status.ts'

const NOW = Date.UTC(2026, 4, 1, 12)
const DAY = 86_400_000
const line: EventLine = {
  tenant: 'main',
  source: 'live',
  receivedAt: NOW,
  time: NOW + 61_000,
  key: 's',
  weight: 1,
  country: 'NL',
  schema: 0,
  e: { id: 'a', name: 'page_view' },
}
const views: MetricDefinition = {
  name: 'page_views',
  event: 'page_view',
  where: [],
  measure: { kind: 'COUNT' },
  dimensions: [],
  windows: [
    { kind: 'TUMBLING', sizeMs: 60_000 },
    { kind: 'TUMBLING', sizeMs: 3_600_000 },
  ],
  version: 1,
}
const NOTHING: Copies = { stored: null, deadLetter: null, duplicate: null, occurrences: 0, sequences: [5, 7] }
const copy = (outcome: TailCopy['outcome'], sequence = 8): TailCopy => ({
  partition: 1,
  sequence,
  line,
  outcome,
  changes: [],
})

const setUp = ({ copies = {}, tail = [] }: { copies?: Partial<Copies>; tail?: TailCopy[] }) => {
  const asked: { copies: CopiesQuery[]; definitions: DefinitionsQuery[]; after: (readonly number[])[] } = {
    copies: [],
    definitions: [],
    after: [],
  }
  const read = createEventStatus({
    keptMs: RETENTION.rawEvents,
    olap: {
      copies: async (query) => {
        asked.copies.push(query)
        return { ...NOTHING, ...copies }
      },
      definitions: async (query) => {
        asked.definitions.push(query)
        return [{ ...views, where: [{ field: 'country', op: 'EQ', value: 'DE' }], name: 'german' }, views]
      },
    },
    tail: {
      find: async (_, __, after) => {
        asked.after.push(after)
        return tail
      },
    },
    clock: { now: () => NOW },
  })
  return { asked, read }
}

const stored = { partition: 1, sequence: 3, line }
const deadLetter = { partition: 1, sequence: 4, code: 'LATE', message: 'too old' }
const WINDOWS = ['page_views PT1H 2026-05-01T12:00:00.000Z', 'page_views PT1M 2026-05-01T12:01:00.000Z']

test.each([
  ['in the log', { tail: [copy(null)] }, { stage: 'ACCEPTED', sequence: 8, windows: [], occurrences: 1 }],
  ['settled', { tail: [copy('C')] }, { stage: 'COUNTED', sequence: 8, windows: WINDOWS, occurrences: 1 }],
  ['settled, with a copy', { tail: [copy('C'), copy('D', 9)] }, { stage: 'COUNTED', sequence: 8, windows: WINDOWS }],
  ['settled as late', { tail: [copy('L')] }, { stage: 'LATE', reason: expect.stringContaining('lateness horizon') }],
  ['settled as invalid', { tail: [copy('I')] }, { stage: 'INVALID', reason: expect.any(String) }],
  ['stored', { copies: { stored, occurrences: 1 } }, { stage: 'STORED', sequence: 3, windows: WINDOWS, reason: null }],
  [
    'stored, with copies everywhere',
    { copies: { stored, duplicate: deadLetter, occurrences: 3 }, tail: [copy('D'), copy(null, 9)] },
    { stage: 'STORED', sequence: 3, occurrences: 5 },
  ],
  [
    'a dead letter',
    { copies: { deadLetter, occurrences: 1 }, tail: [copy(null)] },
    { stage: 'LATE', sequence: 4, windows: [], reason: 'too old', occurrences: 2 },
  ],
  [
    'counted, and no event that the store can hold',
    {
      copies: {
        deadLetter: { ...deadLetter, code: 'INVALID' },
        duplicate: { partition: 1, sequence: 3 },
        occurrences: 2,
      },
    },
    { stage: 'INVALID', reason: 'too old' },
  ],
  ['a copy of one that is past its time', { copies: { duplicate: deadLetter, occurrences: 1 } }, { stage: 'COUNTED' }],
])('an event that is %s', async (_, found, expected) => {
  expect(await setUp(found).read('main', 'a')).toMatchObject({ id: 'a', partition: 1, ...expected })
})

test('there is none', async () => {
  expect(await setUp({}).read('main', 'a')).toBeNull()
})

test('the logs are searched from where the store ends, and definitions are those at the event’s place', async () => {
  const { asked, read } = setUp({ tail: [copy('C')] })
  await read('main', 'a')
  expect(asked.after).toEqual([[5, 7]])
  expect(asked.definitions).toEqual([{ tenant: 'main', partition: 1, sequence: 8 }])
})

/** UUIDv7 of a time. */
const uuid = (ms: number): string => {
  const hex = ms.toString(16).padStart(12, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`
}

test.each([
  ['nothing: all that is kept', 'a', undefined, NOW - RETENTION.rawEvents],
  ['the time in the id, less a day', uuid(NOW - DAY), undefined, NOW - 2 * DAY],
  ['around, less a day', uuid(NOW), NOW - 3 * DAY, NOW - 4 * DAY],
  ['a time before all that is kept', uuid(0), undefined, NOW - RETENTION.rawEvents],
  ['an id from the future, which tells no time', uuid(NOW + 2 * DAY), undefined, NOW - RETENTION.rawEvents],
])('it is searched by %s', async (_, id, around, from) => {
  const { asked, read } = setUp({ tail: [copy(null)] })
  expect(await read('main', id, around)).toMatchObject({ searchedFrom: from })
  expect(asked.copies).toEqual([{ tenant: 'main', id, from }])
})

test('windows of an event that is not stored yet follow what the log says of metrics before it', async () => {
  const changes = [
    { name: 'clicks', version: 1, definition: { ...views, name: 'clicks' } },
    { name: 'page_views', version: 2, definition: null },
    { name: 'clicks', version: 2, definition: { ...views, name: 'clicks', version: 2, windows: [views.windows[0]] } },
  ]
  const { read } = setUp({ tail: [{ ...copy('C'), changes }] })
  expect((await read('main', 'a'))?.windows).toEqual(['clicks PT1M 2026-05-01T12:01:00.000Z'])
})
