import { expect, test } from 'vitest'
import { createLag, secondsBehind } from './lag.ts'

test('it is the age of the oldest message that is not settled, until the checkpoint that settles it is committed', () => {
  const lag = createLag()
  expect(lag.seconds(0, 0, 1_000)).toBe(0)
  lag.read(1_000)
  lag.read(3_000)
  expect(lag.seconds(2, 2, 4_000)).toBe(3)
  lag.sealed()
  lag.read(5_000)
  expect(lag.seconds(3, 3, 6_000)).toBe(5)
  lag.committed()
  expect(lag.seconds(3, 3, 6_000)).toBe(1)
  lag.sealed()
  lag.committed()
  expect(lag.seconds(3, 3, 3_600_000)).toBe(0)
})

test('a message that has just come after an hour of quiet is no hour of lag', () => {
  const lag = createLag()
  lag.read(0)
  lag.sealed()
  lag.committed()
  expect(lag.seconds(2, 1, 3_600_000)).toBe(0)
  expect(lag.seconds(2, 1, 3_602_000)).toBe(2)
  lag.read(3_599_000)
  expect(lag.seconds(2, 2, 3_602_000)).toBe(3)
})

test('messages that are not read count from when they were seen, also while all that was read is settled', () => {
  const lag = createLag()
  expect(lag.seconds(5, 0, 1_000)).toBe(0)
  expect(lag.seconds(9, 0, 4_000)).toBe(3)
  expect(lag.seconds(9, 0, 9_000)).toBe(8)
  lag.read(500)
  lag.sealed()
  lag.committed()
  expect(lag.seconds(9, 1, 10_000)).toBe(9)
  expect(lag.seconds(9, 5, 11_000)).toBe(7)
  expect(lag.seconds(9, 9, 12_000)).toBe(0)
  expect(lag.seconds(10, 9, 20_000)).toBe(0)
})

test('a broker whose clock is ahead gives no negative lag', () => {
  const lag = createLag()
  lag.read(2_000)
  expect(lag.seconds(1, 1, 1_000)).toBe(0)
})

test('a partition is behind by what is pending at the present rate, and never by more than its oldest message', () => {
  expect(secondsBehind(60, 5_000, 1_000)).toBe(5)
  expect(secondsBehind(2, 5_000, 1_000)).toBe(2)
  expect(secondsBehind(60, 0, 1_000)).toBe(0)
  expect(secondsBehind(60, 5_000, 0)).toBe(60)
})
