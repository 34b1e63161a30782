import { expect, test } from 'vitest'
import { costOfStages, perSecond, spreadOf } from './figures.ts'

test('the spread of rounds is their middle and their ends, whatever their order', () => {
  expect(spreadOf([3, 1, 2])).toEqual({ median: 2, low: 1, high: 3 })
})

test('a stage costs what its runs take longer than those without it', () => {
  const runs: [string, number[]][] = [
    ['parse', [2, 2, 9]],
    ['fold', [3.5, 3, 4]],
  ]
  expect(costOfStages(runs)).toEqual({ parse: 2, fold: 1.5 })
})

test('a second is enough for no number of events where their time could not be measured', () => {
  expect([perSecond(2.5), perSecond(0)]).toEqual([400_000, 0])
})
