import { expect, test } from 'vitest'
import type { Clock } from '#schema/checkpoint.ts'
import type { PartitionReport } from '#schema/report.ts'
import { at, FoldHarness, metric } from '../windows/fold-harness.ts'
import { createTicker } from './ticker.ts'

const SETTINGS = { liveIdleMs: 10_000, importIdleMs: 120_000 }
const report = (partition: number, clock: Partial<Clock>): PartitionReport => ({
  partition,
  owner: 'o',
  epoch: 1,
  checkpoint: 1,
  sequence: 1,
  pendingFrames: 0,
  pendingEvents: 0,
  lagSeconds: 0,
  clocks: [{ tenant: 'main', source: 'live', watermark: 0, idle: false, ...clock }],
  at: 0,
})

test('an idle partition follows an active one as that stood an idle time-out ago', () => {
  const log = new FoldHarness().define(metric())
  log.frame(100, { id: 'a', time: 100 })
  const ticker = createTicker(0, log.fold, SETTINGS, 0)
  expect(ticker.due([report(1, { watermark: at(200) })], 1_000)).toEqual([])
  expect(ticker.due([report(1, { watermark: at(900) })], 10_500)).toEqual([
    // The other one is active, but not known for an idle time-out: everybody stays where they are.
    { tenant: 'main', source: 'live', watermark: at(95) },
  ])
  expect(ticker.due([report(1, { watermark: at(999) })], 11_000)[0].watermark).toBe(at(200))
})

test('when the other one turns idle the clock rate takes over', () => {
  const log = new FoldHarness().define(metric())
  log.frame(100, { id: 'a', time: 100 })
  const ticker = createTicker(0, log.fold, SETTINGS, 0)
  const idle = report(1, { watermark: at(900), idle: true })
  expect(ticker.due([idle], 10_000)[0].watermark).toBe(at(95))
  log.control({ kind: 'tick', clocks: [{ tenant: 'main', source: 'live', watermark: at(95) }] })
  expect(ticker.due([idle], 11_000)[0].watermark).toBe(at(96))
})

test('an event ends idleness', () => {
  const log = new FoldHarness().define(metric())
  log.frame(100, { id: 'a', time: 100 })
  const ticker = createTicker(0, log.fold, SETTINGS, 0)
  ticker.touched(log.fold.tenant('main').clock('live'), 9_000)
  expect(ticker.due([], 10_000)).toEqual([])
  expect(ticker.due([], 19_000)).toHaveLength(1)
})
