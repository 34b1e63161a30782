import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { SHARES } from '#schema/shedding.ts'
import { secondsBehind } from '../runtime/lag.ts'
import { nextShare, type ShareSample, startShare } from './controller.ts'

const SETTINGS = { shedLagMs: 5_000, calmMs: 10_000 }
const LEAST = SHARES.length - 1
const HOUR = 3_600

/** Events a second. */
interface Traffic {
  low: number
  other: number
  capacity: number
}

/** A partition with a controller, second by second: what arrives waits in turn, as far as it is kept. */
const createPlant = () => {
  const arrived = [0]
  let [processed, pending, second] = [0, 0, 0]
  let state = startShare(0, { now: 0, behindSeconds: 0, pendingEvents: 0, isHeavy: false, perSecond: 0 })
  let oldest = 0
  const levels: number[] = []
  const pass = ({ low, other, capacity }: Traffic, seconds: number): void => {
    for (let i = 0; i < seconds; i++) {
      second++
      arrived.push(arrived[second - 1] + other + low * SHARES[state.level])
      const done = Math.min(capacity, arrived[second] - processed)
      processed += done
      pending = arrived[second] - processed
      while (arrived[oldest] < processed) oldest++
      const behindSeconds = secondsBehind(pending > 0 ? second - oldest + 1 : 0, pending, done)
      const sample = { now: second * 1_000, behindSeconds, pendingEvents: pending }
      state = nextShare(state, { ...sample, isHeavy: true, perSecond: low + other }, SETTINGS)
      levels.push(state.level)
    }
  }
  const changes = (from = 0): number =>
    levels.slice(from).filter((level, i) => i > 0 && level !== levels[from + i - 1]).length
  return { pass, levels, changes, share: () => SHARES[state.level], pending: () => pending, second: () => second }
}

describe('a flood of three times what the partition can take', () => {
  const flood = { low: 2_700, other: 300, capacity: 1_000 }

  it('brings the share down in seconds, as far as it must and one step more at most, and what is pending is worked off', () => {
    const plant = createPlant()
    plant.pass(flood, 30)
    expect([0.25, 0.125]).toContain(plant.share())
    plant.pass(flood, 120)
    expect(plant.pending()).toBeLessThan(10_000)
    expect(Math.max(...plant.levels)).toBeLessThanOrEqual(3)
  })

  it('ends, and all is kept again within a minute', () => {
    const plant = createPlant()
    plant.pass(flood, 300)
    plant.pass({ ...flood, low: 100 }, 60)
    expect(plant.share()).toBe(1)
  })
})

test('under a constant load it comes to rest: a rise that fails is tried ever more seldom', () => {
  const load = fc.record({
    low: fc.integer({ min: 100, max: 20_000 }),
    other: fc.integer({ min: 0, max: 900 }),
    capacity: fc.constant(1_000),
  })
  fc.assert(
    fc.property(load, (traffic) => {
      const plant = createPlant()
      plant.pass(traffic, 3 * HOUR)
      // At most six tries an hour, each of some steps down and up again.
      expect(plant.changes(2 * HOUR)).toBeLessThanOrEqual(6 * 6)
      const needed = SHARES.findIndex((share) => traffic.other + traffic.low * share <= traffic.capacity)
      if (needed < 0) return
      const least = Math.max(...plant.levels.slice(2 * HOUR))
      expect(least).toBeLessThanOrEqual(Math.min(LEAST, needed + 2))
      // Or one less, where that is too little by so few events that it takes long to show.
      const atRest = plant.levels.slice(2 * HOUR).filter((level) => level === needed || level === needed - 1).length
      expect(atRest).toBeGreaterThan(HOUR * 0.9)
    }),
    { numRuns: 60 },
  )
})

const samples = fc.array(
  fc.record({
    waitMs: fc.integer({ min: 1, max: 20_000 }),
    behindSeconds: fc.oneof(fc.double({ min: 0, max: 10, noNaN: true }), fc.integer({ min: 0, max: 1_000_000 })),
    pendingEvents: fc.nat(1_000_000),
    isHeavy: fc.boolean(),
    perSecond: fc.nat(100_000),
  }),
  { maxLength: 300 },
)

test('whatever the lag does, it moves one step at a time, falls every two seconds at most, and returns to 1', () => {
  fc.assert(
    fc.property(samples, (looks) => {
      let state = startShare(0, { now: 0, behindSeconds: 0, pendingEvents: 0, isHeavy: false, perSecond: 0 })
      let now = 0
      let fellAt = Number.NEGATIVE_INFINITY
      const look = (sample: Omit<ShareSample, 'now'>): void => {
        const next = nextShare(state, { now, ...sample }, SETTINGS)
        expect(next.level).toBeGreaterThanOrEqual(0)
        expect(next.level).toBeLessThanOrEqual(LEAST)
        expect(Math.abs(next.level - state.level)).toBeLessThanOrEqual(1)
        if (next.level > state.level) {
          expect(sample.isHeavy && sample.behindSeconds * 1_000 > SETTINGS.shedLagMs).toBe(true)
          expect(now - fellAt).toBeGreaterThanOrEqual(2_000)
          fellAt = now
        }
        if (next.level < state.level) expect(now - fellAt).toBeGreaterThanOrEqual(SETTINGS.calmMs)
        state = next
      }
      for (const { waitMs, ...sample } of looks) {
        now += waitMs
        look(sample)
      }
      for (let second = 0; second < LEAST * 15; second++) {
        now += 1_000
        look({ behindSeconds: 0, pendingEvents: 0, isHeavy: false, perSecond: 0 })
      }
      expect(state.level).toBe(0)
    }),
  )
})

test('who is no cause of the load is not shed, and one that is none any more gets back all', () => {
  const behind = { behindSeconds: 60, pendingEvents: 60_000, perSecond: 10 }
  const run = (level: number, isHeavy: boolean) => {
    let state = startShare(level, { now: 0, ...behind, isHeavy })
    for (let now = 1_000; now <= 60_000; now += 1_000) state = nextShare(state, { now, ...behind, isHeavy }, SETTINGS)
    return SHARES[state.level]
  }
  expect(run(0, false)).toBe(1)
  expect(run(3, false)).toBe(1)
  expect(run(0, true)).toBe(1 / 32)
})

test('a backlog that is being worked off fast enough costs nothing', () => {
  let state = startShare(0, { now: 0, behindSeconds: 60, pendingEvents: 60_000, isHeavy: true, perSecond: 100 })
  for (let second = 1; second <= 60; second++) {
    const pendingEvents = 60_000 - second * 1_000
    const sample = { now: second * 1_000, behindSeconds: 60 - second, pendingEvents, isHeavy: true, perSecond: 100 }
    state = nextShare(state, sample, SETTINGS)
    expect(state.level).toBe(0)
  }
})
