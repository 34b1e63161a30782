import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Reports } from '#gateway/ports.ts'
import type { ControlRecord } from '#schema/frame.ts'
import type { StoredMarker } from '#schema/olap.ts'
import { createIndicators } from './indicators.ts'
import { createMarkers } from './markers.ts'

const PARTITIONS = 2

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

/** A pipeline in which every place is reached when the test says so. */
const setUp = () => {
  const sent: ControlRecord[] = []
  const logs = [0, 0]
  const view = { sequences: [0, 0], advance: () => {} }
  const store = { rows: [] as StoredMarker[], questions: 0, answer: async () => {} }
  let reported = (): void => {}
  const state = { isLogAway: false, settled: [0, 0], silentSince: undefined as number | undefined, lagSeconds: 0 }
  const reports: Reports = {
    partitions: () =>
      state.settled.map((sequence, partition) => ({
        partition,
        owner: 'p',
        epoch: 1,
        checkpoint: 1,
        sequence,
        pendingFrames: 0,
        pendingEvents: 0,
        lagSeconds: state.lagSeconds,
        clocks: [],
        at: state.silentSince ?? Date.now(),
      })),
    refused: () => undefined,
    storage: () => undefined,
    onReport(listener) {
      reported = listener
      return () => {
        reported = () => {}
      }
    },
  }
  const arrivals: [string, number][] = []
  const clock = { now: () => Date.now(), monotonic: () => performance.now() }
  const markers = createMarkers({
    log: {
      async appendControl(partition, record) {
        if (state.isLogAway) throw new Error('no answer')
        sent.push(record)
        return ++logs[partition]
      },
    },
    olap: {
      async markers() {
        store.questions++
        await store.answer()
        return store.rows
      },
    },
    view: {
      sequence: (partition) => view.sequences[partition],
      onAdvance(listener) {
        view.advance = listener
        return () => {}
      },
    },
    reports,
    clock,
    gateway: 'g',
    partitions: PARTITIONS,
    intervalMs: 1_000,
    onArrival: (where, seconds) => arrivals.push([where, seconds]),
  })
  const indicators = createIndicators({ markers, intake: { dropRate: () => 0 }, reports, clock })
  return {
    ...{ markers, indicators, sent, state, store, arrivals, pass: (ms: number) => vi.advanceTimersByTimeAsync(ms) },
    report: async () => {
      reported()
      await vi.advanceTimersByTimeAsync(0)
    },
    settle: (...sequences: number[]) => {
      state.settled = sequences
    },
    show: (...sequences: number[]) => {
      view.sequences = sequences
      view.advance()
    },
    keep: (...numbers: number[]) => {
      store.rows = numbers.map((number) => ({ partition: number % PARTITIONS, number }))
    },
  }
}

test('one marker an interval goes into one partition after the other', async () => {
  const { sent, markers, pass } = setUp()
  await pass(3_500)
  expect(sent).toMatchObject([1, 2, 3, 4].map((number) => ({ kind: 'marker', gateway: 'g', number })))
  markers.stop()
  await pass(10_000)
  expect(sent).toHaveLength(4)
})

test('latency ends with the answer that has the row, and the store is asked only after it wrote', async () => {
  const { indicators, store, arrivals, pass, keep, report } = setUp()
  expect(indicators.eventProcessingLatencyP99()).toBe(null)
  await pass(300)
  expect(indicators.eventProcessingLatencyP99()).toBeCloseTo(0.3)
  await report()
  expect(store.questions).toBe(1)
  await pass(100)
  expect(arrivals).toEqual([])
  keep(1)
  await report()
  expect(arrivals).toEqual([['stored', expect.closeTo(0.4)]])
  expect(indicators.eventProcessingLatencyP99()).toBeCloseTo(0.4)
  await report()
  expect(store.questions).toBe(2)
})

test('the percentile grows while the store is silent, and a later row stands for the ones before it', async () => {
  const { indicators, markers, arrivals, pass, keep, report } = setUp()
  await pass(20_000)
  expect(indicators.eventProcessingLatencyP99()).toBeCloseTo(20)
  await pass(10_000)
  expect(indicators.eventProcessingLatencyP99()).toBeCloseTo(30)
  expect(markers.oldest()).toMatchObject({ stored: expect.closeTo(30) })
  keep(30, 31)
  await report()
  expect(arrivals).toHaveLength(31)
  expect(markers.oldest().stored).toBe(0)
  await pass(299_000)
  expect(indicators.eventProcessingLatencyP99()).toBeGreaterThan(29)
})

test('a store that answers late is asked once more for what it wrote meanwhile', async () => {
  const { store, arrivals, pass, keep, report } = setUp()
  const gate = Promise.withResolvers<void>()
  store.answer = () => gate.promise
  await pass(100)
  await report()
  await report()
  expect(store.questions).toBe(1)
  store.answer = async () => {
    keep(1)
  }
  gate.resolve()
  await pass(0)
  expect(store.questions).toBe(2)
  expect(arrivals).toEqual([['stored', expect.closeTo(0.1)]])
})

test('a store that refuses is asked again at its next report', async () => {
  const { store, arrivals, pass, keep, report } = setUp()
  await pass(100)
  store.answer = () => Promise.reject(new Error('away'))
  await report()
  store.answer = async () => {}
  keep(1)
  await report()
  expect(arrivals).toHaveLength(1)
})

test('consumer lag and freshness grow with the markers that nobody settles, and end with them', async () => {
  const { indicators, state, pass, settle, show, report } = setUp()
  // Every marker arrives at once: without any other traffic nothing is behind.
  await pass(0)
  settle(0, 1)
  show(0, 1)
  await report()
  await pass(900)
  expect([indicators.consumerLagSeconds(), indicators.dashboardFreshnessLag()]).toEqual([0, 0])
  // The processors stop; what they said last is no news any more.
  state.silentSince = Date.now()
  await pass(10_100)
  expect(indicators.consumerLagSeconds()).toBeCloseTo(10)
  expect(indicators.dashboardFreshnessLag()).toBeCloseTo(10)
  await pass(5_000)
  expect(indicators.consumerLagSeconds()).toBeCloseTo(15)
  // They are back: settled, but not in the live view yet.
  settle(8, 9)
  await report()
  expect(indicators.consumerLagSeconds()).toBe(0)
  expect(indicators.dashboardFreshnessLag()).toBeCloseTo(15)
  show(8, 9)
  expect(indicators.dashboardFreshnessLag()).toBe(0)
})

test('what a processor reports counts as long as it reports, for the live view too', async () => {
  const { indicators, state, pass, settle, show, report } = setUp()
  await pass(0)
  settle(0, 1)
  show(0, 1)
  await report()
  state.lagSeconds = 7
  expect([indicators.consumerLagSeconds(), indicators.dashboardFreshnessLag()]).toEqual([7, 7])
  state.silentSince = Date.now() - 6_000
  expect(indicators.consumerLagSeconds()).toBe(0)
})

test('a marker that the log does not take measures nothing, and the next one is sent', async () => {
  const { indicators, sent, state, pass } = setUp()
  state.isLogAway = true
  await pass(5_000)
  expect(sent).toHaveLength(1)
  expect(indicators.eventProcessingLatencyP99()).toBeCloseTo(5)
  state.isLogAway = false
  await pass(1_000)
  expect(sent).toMatchObject([{ number: 1 }, { number: 7 }])
})
