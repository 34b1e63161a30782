import { expect, test } from 'vitest'
import { createIntake } from './intake.ts'

const setUp = () => {
  const clock = { now: 500 }
  return { clock, intake: createIntake(() => clock.now) }
}

test('it is the share of the events that were right and not taken', () => {
  const { intake } = setUp()
  expect(intake.dropRate()).toBe(0)
  intake.note(2, ['OVERLOADED'])
  expect(intake.dropRate()).toBe(1 / 3)
  intake.note(0, ['SHED'])
  expect(intake.dropRate()).toBe(2 / 4)
})

test('what the client got wrong was received, and is no drop', () => {
  const { intake } = setUp()
  intake.note(0, [
    'MALFORMED',
    'SCHEMA_VIOLATION',
    'TIME_OUT_OF_RANGE',
    'EVENT_TOO_LARGE',
    'TOO_DEEP',
    'SCHEMA_UNKNOWN',
  ])
  expect(intake.dropRate()).toBe(0)
  intake.note(1, ['OVERLOADED'])
  expect(intake.dropRate()).toBe(1 / 8)
})

test('it forgets what is a minute ago', () => {
  const { intake, clock } = setUp()
  intake.note(0, ['OVERLOADED'])
  clock.now += 30_000
  intake.note(1, [])
  expect(intake.dropRate()).toBe(0.5)
  clock.now += 29_000
  expect(intake.dropRate()).toBe(0.5)
  clock.now += 1_000
  expect(intake.dropRate()).toBe(0)
  clock.now += 3_600_000
  intake.note(1, ['SHED'])
  expect(intake.dropRate()).toBe(0.5)
})

test('a request costs one look at the clock, however long the gateway has run', () => {
  let [now, looks] = [500, 0]
  const intake = createIntake(() => {
    looks++
    return now
  })
  for (; now < 50_000; now += 1_000) intake.note(1, [])
  looks = 0
  intake.note(1, [])
  expect(looks).toBe(1)
})
