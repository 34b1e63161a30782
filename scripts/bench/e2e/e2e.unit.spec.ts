import { expect, it } from 'vitest'
import { Bits } from '../load/bits.ts'
import { takeCensus } from './census.ts'
import { createLatencyRecord } from './latency.ts'
import { createMarkerBook } from './marker-book.ts'
import { slopeOf } from './trend.ts'

it('tells what a store has lost and doubled, and what it has that nobody was told of', async () => {
  const acknowledged = new Bits()
  for (const number of [0, 1, 2, 3, 10]) acknowledged.add(number)
  async function* numbers() {
    yield [0, 2, 2]
    yield [3, 7, 2]
  }
  expect(await takeCensus(acknowledged, numbers())).toEqual({ rows: 6, lost: 2, duplicated: 2, unacknowledged: 1 })
})

it('times markers from their acknowledgement, whichever comes first', () => {
  const seen: [number, number][] = []
  const book = createMarkerBook((at, latencyMs) => seen.push([at, latencyMs]))
  book.acknowledged(0, 1, 100)
  book.acknowledged(1, 2, 110)
  book.acknowledged(0, 3, 120)
  expect([book.waiting(), book.oldest()]).toEqual([3, 100])
  book.seen(0, 3, 150)
  book.seen(0, 2, 160)
  book.seen(1, 4, 170)
  book.acknowledged(1, 4, 180)
  expect(seen).toEqual([
    [100, 50],
    [120, 30],
    [110, 60],
    [180, 0],
  ])
  expect([book.waiting(), book.oldest()]).toEqual([0, undefined])
})

it('keeps latencies by second, and none of the time before the run', () => {
  const record = createLatencyRecord()
  record.record(-0.5, 5_000)
  for (let i = 1; i <= 100; i++) record.record(0.5, i)
  record.record(1.2, 400)
  expect(record.count()).toBe(101)
  expect(record.percentile(50)).toBeCloseTo(51, 0)
  expect(record.percentile(100)).toBeCloseTo(400, 0)
  expect(record.seconds()).toEqual([
    { second: 0, count: 100, p50Ms: 51, p99Ms: 100, maxMs: 100 },
    { second: 1, count: 1, p50Ms: 400, p99Ms: 400, maxMs: 400 },
  ])
})

it('sees whether something grows', () => {
  expect(slopeOf([0, 1, 2, 3].map((x) => [x, 5 + 3 * x] as const))).toBeCloseTo(3)
  expect(slopeOf([0, 1, 2, 3].map((x) => [x, 7] as const))).toBe(0)
  expect(slopeOf([])).toBe(0)
})
