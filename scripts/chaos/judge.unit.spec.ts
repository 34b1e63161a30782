import { expect, test } from 'vitest'
import type { Sent } from './book.ts'
import { judge, type StoredEvent, type StoredLetter } from './judge.ts'

const HORIZON = 600_000
const T0 = Date.UTC(2026, 0, 1)

const sent = (id: string, fields: Partial<Sent> = {}): Sent => ({
  id,
  key: 's1',
  name: 'page_view',
  timeMs: T0,
  user: 'u1',
  source: 'live',
  properties: { path: '/', status: 200 },
  refusable: false,
  fate: 'ACCEPTED',
  ...fields,
})
const row = (id: string, fields: Partial<StoredEvent> = {}): StoredEvent => ({
  id,
  key: 's1',
  name: 'page_view',
  timeMs: T0,
  user: 'u1',
  source: 'live',
  properties: { path: '/', status: 200 },
  partition: 0,
  sequence: 1,
  ...fields,
})
const letter = (id: string, fields: Partial<StoredLetter> = {}): StoredLetter => ({
  id,
  key: 's1',
  code: 'LATE',
  timeMs: T0,
  watermarkMs: T0 + HORIZON + 1,
  storedMs: T0 + HORIZON + 10_000,
  ...fields,
})
const book = (...events: Sent[]) => new Map(events.map((event) => [event.id, event]))
const CLEAN = { lost: [], duplicated: [], strange: [], wronglyLate: [] }

test('an event that is stored once, or a dead letter once, is well; without an acknowledgement it may be nowhere', () => {
  const all = book(sent('a'), sent('b'), sent('c', { fate: 'OPEN' }), sent('d', { fate: 'ABANDONED' }))
  expect(judge(all, [row('a'), row('d')], [letter('b')], HORIZON)).toEqual({ ...CLEAN, counted: 2, late: 1 })
})

test('an acknowledged event that is nowhere is lost', () => {
  expect(judge(book(sent('a'), sent('b')), [row('a')], [], HORIZON)).toMatchObject({ ...CLEAN, lost: ['b'] })
})

test.each([
  ['twice in raw events', [row('a'), row('a')], []],
  ['twice among dead letters', [], [letter('a'), letter('a')]],
  ['in both', [row('a')], [letter('a')]],
])('an event that is %s is duplicated', (_, rows, letters) => {
  expect(judge(book(sent('a')), rows, letters, HORIZON).duplicated).toEqual(['a'])
})

test('two sessions may not share an id here, but a stored key must be the one that was sent', () => {
  expect(judge(book(sent('a')), [row('a', { key: 's2' })], [], HORIZON).strange).toEqual(['a'])
})

test.each([
  ['another time', row('a', { timeMs: T0 + 1 })],
  ['another name', row('a', { name: 'ping' })],
  ['another source', row('a', { source: 'import' })],
  ['another user', row('a', { user: null })],
  ['other properties', row('a', { properties: { path: '/', status: 404 } })],
])('an event that is stored with %s is strange', (_, stored) => {
  expect(judge(book(sent('a')), [stored], [], HORIZON).strange).toEqual(['a'])
})

test('what nobody sent, or the door had to turn down, is strange', () => {
  const all = book(sent('a', { refusable: true, fate: 'REJECTED' }))
  expect(judge(all, [row('a'), row('x')], [], HORIZON).strange).toEqual(['a', 'x'])
})

test.each([
  ['just as old as the horizon allows', letter('a', { watermarkMs: T0 + HORIZON })],
  ['judged by a watermark ahead of the clock', letter('a', { storedMs: T0 })],
  ['not judged by a watermark at all', letter('a', { watermarkMs: null })],
  ['invalid', letter('a', { code: 'INVALID' })],
])('a dead letter that is %s is none', (_, dead) => {
  expect(judge(book(sent('a')), [], [dead], HORIZON).wronglyLate).toEqual(['a'])
})
