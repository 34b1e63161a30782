import { expect, it } from 'vitest'
import { Bits } from '../load/bits.ts'
import type { Books } from './books.ts'
import { createLatencyRecord } from './latency.ts'
import { resultOf } from './result.ts'
import type { Sample } from './sampler.ts'
import type { Trial } from './trial.ts'

const BOOKS: Books = {
  accepted: 2_010,
  counted: 2_000,
  late: 5,
  duplicate: 5,
  invalid: 0,
  shed: 0,
  rejected: 0,
  stored: 2_000,
  archived: 2_000,
  balanced: true,
  settledUntil: null,
}
const FOUND = { rows: 1_995, lost: 0, duplicated: 0, unacknowledged: 0 }

const sample = (at: number, cpuSeconds: number, events: number, pendingEvents = 0): Sample => ({
  at,
  usage: { gateway: { cpuSeconds, rssMb: 100 + at }, generator: { cpuSeconds: cpuSeconds / 2, rssMb: 50 } },
  stages: { settled: events, stored: events, archived: 0 },
  lag: { pendingEvents, lagSeconds: pendingEvents / 100 },
})

const second = (number: number, accepted: number) => ({
  second: number,
  sent: accepted,
  accepted,
  refused: 0,
  waiting: 0,
  p50Us: 1,
  p99Us: 1,
  maxUs: 1,
})

/** A second of warm-up with 400 events, two measured ones with 800 each; 1 ms of processor time an event. */
const trialOf = (change: Partial<Trial> = {}): Trial => {
  const latency = createLatencyRecord()
  latency.record(0, 100)
  const samples = [sample(-1, 1, 0), sample(0, 2, 400), sample(1, 2.8, 1_200, 30), sample(2, 3.6, 2_000, 10)]
  return {
    options: {
      protocol: 'ndjson',
      batch: 200,
      connections: 4,
      rate: 800,
      warmUpSeconds: 1,
      seconds: 2,
      bursts: [{ rate: 800, atSeconds: 1, seconds: 1 }],
      markersPerSecond: 5,
      drainMs: 1_000,
    },
    load: {
      sent: 2_000,
      repeated: 0,
      accepted: 2_000,
      refused: {},
      unanswered: 0,
      unsent: 0,
      acceptedPerSecond: 666,
      nextRequest: 10,
      bytesPerEvent: 293.8,
      cpuMicrosPerEvent: 1,
      latency: latency.encoded(),
    },
    acknowledged: new Bits(),
    loadSeconds: [second(-1, 400), second(0, 800), second(1, 800)],
    markers: { pushed: latency, stored: latency, counts: { acknowledged: 10, refused: 0, skipped: 0 } },
    unseen: { pushes: 0, rows: 0 },
    samples,
    begin: samples[1],
    end: samples[3],
    drained: samples[3],
    books: BOOKS,
    dashboards: { dashboards: 4, updates: 8, bytes: 1_000 },
    ...change,
  }
}

const found = (change: object = {}) => ({
  trial: trialOf(),
  olap: FOUND,
  archive: FOUND,
  windows: { inWindows: 2_000, inRows: 2_000 },
  plain: null,
  ...change,
})

it('tells rates and costs of the measured time, without the warm-up', () => {
  const result = resultOf(found())
  expect(result).toMatchObject({
    acceptedPerSecond: 800,
    settledPerSecond: 800,
    cpuMicrosPerEvent: { gateway: 1_000, generator: 500 },
    cpuMicrosOfAll: 1_000,
    maxRssMb: { gateway: 102, generator: 50 },
    lag: { maxEvents: 30, endEvents: 10 },
    bursts: [{ rate: 800, seconds: 1, accepted: 800, refused: 0 }],
    lost: 0,
    duplicated: 0,
    ledgerBalanced: true,
    ratioToPlain: null,
  })
  expect(result.p99Ms).toBeCloseTo(100, 0)
})

it('counts what any of the stores lacks or has twice, and what windows and rows do not agree on', () => {
  const lossy = resultOf(found({ olap: { ...FOUND, lost: 2 }, archive: { ...FOUND, lost: 1, duplicated: 4 } }))
  expect([lossy.lost, lossy.duplicated]).toEqual([3, 4])
  const fewer = resultOf(found({ windows: { inWindows: 1_990, inRows: 2_000 } }))
  expect([fewer.lost, fewer.duplicated]).toEqual([10, 0])
  const more = resultOf(found({ windows: { inWindows: 2_003, inRows: 2_000 } }))
  expect([more.lost, more.duplicated]).toEqual([0, 3])
})

it('holds the ledger against what clients were told; who had no answer cannot tell', () => {
  const balanced = (books: Books | null, load: object = {}): boolean =>
    resultOf(found({ trial: trialOf({ books, load: { ...trialOf().load, ...load } }) })).ledgerBalanced
  expect(balanced(BOOKS)).toBe(true)
  expect(balanced(null)).toBe(false)
  expect(balanced({ ...BOOKS, balanced: false })).toBe(false)
  expect(balanced({ ...BOOKS, accepted: 2_009 })).toBe(false)
  expect(balanced({ ...BOOKS, accepted: 2_210 })).toBe(false)
  expect(balanced({ ...BOOKS, accepted: 2_210 }, { unanswered: 200 })).toBe(true)
  expect(balanced({ ...BOOKS, accepted: 2_210 }, { refused: { UNAVAILABLE: 200 } })).toBe(true)
})

it('compares events a second and events a CPU second with the plain way', () => {
  const plain = { acceptedPerSecond: 100, cpuMicrosPerEvent: { resolver: 3_000, 'nats-server': 1_000 } }
  expect(resultOf(found({ plain }))).toMatchObject({ rateToPlain: 8, ratioToPlain: 4 })
  expect(resultOf(found({ plain: { ...plain, acceptedPerSecond: 0 } }))).toMatchObject({ rateToPlain: null })
})
