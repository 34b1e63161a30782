import { expect, onTestFinished, test } from 'vitest'
import type { Reports } from '#gateway/ports.ts'
import type { PartitionReport } from '#schema/report.ts'
import { createLiveView } from './live-view.ts'
import { definition, fakeCheckpoints, fakeMetricStore } from './testing.ts'

const NOW = 1_767_268_800_000

const setUp = async () => {
  const checkpoints = fakeCheckpoints(2)
  const said: PartitionReport[] = []
  const reports: Reports = {
    partitions: () => said,
    refused: () => undefined,
    storage: () => undefined,
    onReport: () => () => {},
  }
  const metrics = fakeMetricStore(definition())
  const clock = { now: () => NOW }
  const view = createLiveView({ feed: checkpoints.feed, metrics, partitions: 2, clock, reports, log: { warn() {} } })
  onTestFinished(() => view.close())
  await view.ready(1_000)
  const report = (partition: number, fields: Partial<PartitionReport>): void => {
    const empty = { owner: 'p', epoch: 1, checkpoint: 0, sequence: 0, pendingFrames: 0, pendingEvents: 0, clocks: [] }
    said[partition] = { partition, ...empty, lagSeconds: 0, at: NOW, ...fields }
  }
  return { view, checkpoints, report }
}

test('data are complete up to the last checkpoint, or to a report that knows of no later one', async () => {
  const { view, checkpoints, report } = await setUp()
  checkpoints.commit(0, [], { at: NOW - 60_000 })
  checkpoints.commit(1, [], { at: NOW - 1_000 })
  expect(view.asOf()).toBe(NOW - 60_000)
  report(0, { checkpoint: 2 })
  expect(view.asOf()).toBe(NOW - 60_000)
  report(0, { checkpoint: 1 })
  expect(view.asOf()).toBe(NOW - 1_000)
})

test('a processor that works through what waited leaves the view as far behind as it is', async () => {
  const { view, checkpoints, report } = await setUp()
  for (const partition of [0, 1]) checkpoints.commit(partition, [], { at: NOW })
  report(0, { checkpoint: 1, lagSeconds: 90 })
  report(1, { checkpoint: 1 })
  expect(view.asOf()).toBe(NOW - 90_000)
  report(0, { checkpoint: 1 })
  expect(view.asOf()).toBe(NOW)
})

test('it tells of every checkpoint, and how far in the log each partition is', async () => {
  const { view, checkpoints } = await setUp()
  let advances = 0
  const leave = view.onAdvance(() => advances++)
  expect([view.sequence(0), view.sequence(1)]).toEqual([0, 0])
  checkpoints.commit(1, [], { to: 7 })
  checkpoints.commit(1, [], { to: 9 })
  expect([view.sequence(0), view.sequence(1), advances]).toEqual([0, 9, 2])
  leave()
  checkpoints.commit(0, [], { to: 3 })
  expect([view.sequence(0), advances]).toEqual([3, 2])
})
