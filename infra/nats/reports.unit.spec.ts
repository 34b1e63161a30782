import { expect, test } from 'vitest'
import type { ClockReport, PartitionReport } from '#schema/report.ts'
import { PROCESSOR_REPORTS } from '#schema/subjects.ts'
import type { Broker } from './broker.ts'
import { createReports } from './reports.ts'

const clock = (tenant: string, watermark: number): ClockReport => ({ tenant, source: 'live', watermark, idle: false })
const report = (over: Partial<PartitionReport>): PartitionReport => ({
  partition: 0,
  owner: 'o',
  epoch: 1,
  checkpoint: 1,
  sequence: 1,
  pendingFrames: 0,
  pendingEvents: 0,
  lagSeconds: 0,
  clocks: [],
  at: 0,
  ...over,
})

const setUp = () => {
  const listeners = new Map<string, (text: string) => void>()
  const broker: Pick<Broker, 'listen'> = {
    listen(subject, onText) {
      listeners.set(subject, onText)
      return { stop: () => undefined }
    },
  }
  const reports = createReports(broker as Broker)
  const hear = (over: Partial<PartitionReport>): void =>
    listeners.get(PROCESSOR_REPORTS)?.(JSON.stringify(report(over)))
  const watermarks = () =>
    Object.fromEntries(reports.partitions()[0].clocks.map(({ tenant, watermark }) => [tenant, watermark]))
  return { reports, hear, watermarks }
}

test('clocks that found no room in a report are known from those before it', () => {
  const { hear, watermarks } = setUp()
  hear({ clocks: [clock('a', 1), clock('b', 1)], omitted: 1 })
  hear({ clocks: [clock('c', 2), clock('a', 2)], omitted: 1 })
  expect(watermarks()).toEqual({ a: 2, b: 1, c: 2 })
  hear({ clocks: [clock('a', 3)] })
  expect(watermarks()).toEqual({ a: 3 })
})

test('a new owner starts from nothing, and a former one is not listened to', () => {
  const { hear, watermarks } = setUp()
  hear({ clocks: [clock('a', 1)] })
  hear({ epoch: 2, clocks: [clock('b', 2)], omitted: 1 })
  hear({ epoch: 1, clocks: [clock('a', 9)] })
  expect(watermarks()).toEqual({ b: 2 })
})
