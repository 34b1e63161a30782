import { expect, test } from 'vitest'
import { createLag, secondsBehind } from './lag.ts'

test('it is the age of the oldest message that is not settled, until the checkpoint that settles it is committed', () => {
  const lag = createLag()
  expect(lag.seconds(undefined, 1_000)).toBe(0)
  lag.read(1_000)
  lag.read(3_000)
  expect(lag.seconds(undefined, 4_000)).toBe(3)
  lag.sealed()
  lag.read(5_000)
  expect(lag.seconds(undefined, 6_000)).toBe(5)
  lag.committed()
  expect(lag.seconds(undefined, 6_000)).toBe(1)
  lag.sealed()
  lag.committed()
  expect(lag.seconds(undefined, 3_600_000)).toBe(0)
})

test('messages that are not read count from when they were seen, where all that was read is settled', () => {
  const lag = createLag()
  expect(lag.seconds(1_000, 9_000)).toBe(8)
  lag.read(500)
  expect(lag.seconds(1_000, 9_000)).toBe(8.5)
  lag.sealed()
  lag.committed()
  expect(lag.seconds(2_000, 9_000)).toBe(7)
})

test('a broker whose clock is ahead gives no negative lag', () => {
  const lag = createLag()
  lag.read(2_000)
  expect(lag.seconds(undefined, 1_000)).toBe(0)
})

test('a partition is behind by what is pending at the present rate, and never by more than its oldest message', () => {
  expect(secondsBehind(60, 5_000, 1_000)).toBe(5)
  expect(secondsBehind(2, 5_000, 1_000)).toBe(2)
  expect(secondsBehind(60, 0, 1_000)).toBe(0)
  expect(secondsBehind(60, 5_000, 0)).toBe(60)
})
