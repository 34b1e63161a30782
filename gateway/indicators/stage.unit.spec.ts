import { expect, test } from 'vitest'
import { createStage, type SentMarker } from './stage.ts'

const marker = (number: number, fields: Partial<SentMarker> = {}): SentMarker => ({
  partition: 0,
  number,
  sequence: number,
  at: number * 1_000,
  ...fields,
})

test('what arrives takes all before it along, in its partition only', () => {
  const stage = createStage(2)
  for (const number of [1, 2, 3]) stage.add(marker(number))
  stage.add(marker(4, { partition: 1 }))
  expect(stage.oldest(5_000)).toBe(4)
  expect(stage.arrive(0, ({ number }) => number === 2).map(({ number }) => number)).toEqual([1, 2])
  expect(stage.arrive(0, ({ number }) => number === 2)).toEqual([])
  expect(stage.ages(5_000)).toEqual([2, 1])
  expect(stage.arrive(7, () => true)).toEqual([])
  stage.arrive(0, () => true)
  stage.arrive(1, () => true)
  expect([stage.isEmpty(), stage.oldest(9_000)]).toEqual([true, 0])
})

test('after days of waiting it holds the oldest and the newest', () => {
  const stage = createStage(1)
  for (let number = 1; number <= 100_000; number++) stage.add(marker(number))
  expect(stage.ages(100_000_000).length).toBe(2_000)
  expect(stage.oldest(100_001_000)).toBe(100_000)
  expect(stage.arrive(0, ({ number }) => number === 100_000)).toHaveLength(2_000)
})
