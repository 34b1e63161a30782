import { expect, test } from 'vitest'
import {
  addSettled,
  createReceivedTally,
  decodeReceived,
  encodeReceived,
  encodeRefused,
  receivedMinute,
} from './ledger.ts'

test('counts come back from the headers as they went in', () => {
  const tally = createReceivedTally()
  tally.add('main', 120_000, 'accepted', 3)
  tally.add('main', 179_999, 'rejected', 2)
  tally.add('other_2', 180_000, 'shed', 1)
  tally.add('main', 180_000, 'rejected', 0)
  const slots = tally.list()
  expect([encodeReceived(slots), encodeRefused(slots)]).toEqual(['main@2=3', 'main@2=2/0,other_2@3=0/1'])
  const none = { accepted: 0, rejected: 0, shed: 0 }
  expect(decodeReceived(encodeReceived(slots), encodeRefused(slots))).toEqual([
    { ...none, tenant: 'main', minute: 2, accepted: 3 },
    { ...none, tenant: 'main', minute: 2, rejected: 2 },
    { ...none, tenant: 'other_2', minute: 3, shed: 1 },
  ])
})

test.each(['', 'main', 'main=3', 'main@x=1', '@1=1', '=,'])('a header that says nothing counts nothing: %j', (text) => {
  expect(decodeReceived(text, text)).toEqual([])
})

test.each([
  [-1, 0],
  [59_999, 0],
  [60_000, 1],
  [1e300, 4_223_371_679],
])('%d ms is in minute %d', (ms, minute) => {
  expect(receivedMinute(ms)).toBe(minute)
})

test('settled counts add up by tenant and minute', () => {
  const one = { tenant: 'main', minute: 1, C: 1, D: 2, L: 3, I: 4 }
  expect(addSettled([[one, { ...one, minute: 2 }], [], [one]])).toEqual([
    { tenant: 'main', minute: 1, C: 2, D: 4, L: 6, I: 8 },
    { ...one, minute: 2 },
  ])
})
