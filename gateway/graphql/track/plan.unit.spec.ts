import { parse } from 'graphql'
import { expect, test } from 'vitest'
import type { EventVerdict, Receipt } from '#gateway/collect/verdict.ts'
import { planOf } from './plan.ts'

const verdictOf = (index: number, isTaken: boolean): EventVerdict => ({
  index,
  id: `id-${index}`,
  status: isTaken ? 'ACCEPTED' : 'REJECTED',
  code: isTaken ? null : 'MALFORMED',
  message: null,
  path: null,
  retryable: false,
  retryAfterMs: null,
})

/** Of so many events, of which the first ones were refused. */
const receiptOf = (events: number, rejected: number): Receipt => {
  const verdicts = Array.from({ length: events }, (_, index) => verdictOf(index, index >= rejected))
  return { accepted: events - rejected, shed: 0, rejected, refused: verdicts.slice(0, rejected), verdicts }
}

const answersOf = (selection: string, receipts: Receipt[]): unknown[] => {
  const plan = planOf(parse(`mutation ($events: JSON!) { sent: trackBatch(events: $events) { ${selection} } }`))!
  return receipts.map((receipt) => JSON.parse(plan.answer(receipt)).data.sent)
}

test('an answer is that of its own receipt, whatever was answered before', () => {
  const receipts = [
    receiptOf(1, 0),
    receiptOf(1, 0),
    receiptOf(3, 0),
    receiptOf(2, 1),
    receiptOf(1, 0),
    receiptOf(4, 1),
  ]
  expect(answersOf('accepted rejected verdicts { index code }', receipts)).toEqual([
    { accepted: 1, rejected: 0, verdicts: [] },
    { accepted: 1, rejected: 0, verdicts: [] },
    { accepted: 3, rejected: 0, verdicts: [] },
    { accepted: 1, rejected: 1, verdicts: [{ index: 0, code: 'MALFORMED' }] },
    { accepted: 1, rejected: 0, verdicts: [] },
    { accepted: 3, rejected: 1, verdicts: [{ index: 0, code: 'MALFORMED' }] },
  ])
})

test('an answer that tells of all events tells of its own ones', () => {
  const [first, second] = [receiptOf(1, 0), receiptOf(1, 0)]
  const other = { ...second, verdicts: [{ ...second.verdicts[0], id: 'other' }] }
  expect(answersOf('accepted all: verdicts(all: true) { id }', [first, other])).toEqual([
    { accepted: 1, all: [{ id: 'id-0' }] },
    { accepted: 1, all: [{ id: 'other' }] },
  ])
})
