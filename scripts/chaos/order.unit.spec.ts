import { expect, test } from 'vitest'
import type { Settlement } from '#schema/checkpoint.ts'
import { orderProblems } from './order.ts'

const settlement = (checkpoint: number, fields: Partial<Settlement> = {}): Settlement => ({
  format: 1,
  partition: 0,
  checkpoint,
  epoch: 1,
  from: checkpoint,
  to: checkpoint,
  aggregates: 0,
  late: 0,
  totals: {},
  outcomes: {},
  clocks: [{ tenant: 'main', source: 'live', watermark: checkpoint * 10, idle: false }],
  definitions: [],
  at: 0,
  ...fields,
})

test('settlements of one owner after the other are in order', () => {
  expect(orderProblems([settlement(1), settlement(2), settlement(3, { epoch: 2 })])).toEqual([])
})

test.each([
  ['a checkpoint that is missing', settlement(3, { from: 2 }), 'follows checkpoint 1'],
  ['an epoch that goes back', settlement(2, { epoch: 0 }), 'has epoch 0 after 1'],
  ['a part of the log that was left out', settlement(2, { from: 3, to: 3 }), 'starts at 3 of the log after 1'],
  [
    'a watermark that goes back',
    settlement(2, { clocks: [{ tenant: 'main', source: 'live', watermark: 9, idle: false }] }),
    'the watermark of main live goes back to 9',
  ],
])('%s is told', (_, second, what) => {
  const [problem, ...others] = orderProblems([settlement(1), second])
  expect(problem).toContain(what)
  expect(others).toEqual([])
})
