import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { KeyRecord } from '#schema/keys.ts'
import type { UsageReport } from '#schema/report.ts'
import { shareOf } from './fair-share.ts'
import { createRateLimiter, type RateLimiter, REPORT_MS } from './rate-limiter.ts'

const keyOf = (limits: Partial<KeyRecord>, id = 'k'): KeyRecord => ({
  id,
  tenant: 'main',
  kind: 'WRITE',
  label: '',
  createdAt: 0,
  ...limits,
})

const NONE = { eventsPerSecond: 0, bytesPerSecond: 0 }

/** Gateways on one clock, whose reports arrive after `delayMs`. */
const createFleet = ({ delayMs = 5, defaults = NONE } = {}) => {
  let now = 0
  const underWay: { at: number; report: UsageReport }[] = []
  const gateways = new Map<string, ReturnType<typeof createRateLimiter>>()
  const prompt = new Set<string>()
  const publish = (report: UsageReport) => underWay.push({ at: now + delayMs, report })
  const deliver = (): void => {
    while (underWay.length > 0 && underWay[0].at <= now) {
      const { report } = underWay.shift()!
      for (const gateway of gateways.values()) gateway.hear(structuredClone(report))
    }
  }
  return {
    join(name: string) {
      const gateway = createRateLimiter({
        defaults,
        gateway: name,
        monotonic: () => now,
        onRise: () => prompt.add(name),
      })
      gateways.set(name, gateway)
      publish(gateway.report())
      return gateway
    },
    die: (name: string) => gateways.delete(name),
    leave(name: string) {
      gateways.delete(name)
      publish({ gateway: name, leaving: true, keys: {} })
    },
    /** Lets time pass, millisecond by millisecond. */
    run(ms: number, each: (now: number) => void) {
      for (const end = now + ms; now < end; now++) {
        deliver()
        each(now)
        for (const name of prompt) if (gateways.has(name)) publish(gateways.get(name)!.report())
        prompt.clear()
        if (now % REPORT_MS === 0) for (const gateway of gateways.values()) publish(gateway.report())
      }
    },
  }
}

test('a key without a limit is never held up, and nothing is told of it', () => {
  const gateway = createFleet().join('a')
  expect(gateway.take(keyOf({}), 5_000, 1_000_000)).toEqual({ events: 5_000, retryAfterMs: 0 })
  expect([gateway.look(keyOf({})), gateway.report().keys]).toEqual([[], {}])
})

test('a key has its own limit, else the one of the deployment; 0 takes it away', () => {
  const gateway = createFleet({ defaults: { eventsPerSecond: 10, bytesPerSecond: 0 } }).join('a')
  expect(gateway.take(keyOf({}, 'x'), 100, 100).events).toBe(10)
  expect(gateway.take(keyOf({ eventsPerSecond: 20 }, 'y'), 100, 100).events).toBe(20)
  expect(gateway.take(keyOf({ eventsPerSecond: 0 }, 'z'), 100, 100).events).toBe(100)
})

test('a request is taken in part, and the client is told when the rest can come', () => {
  const fleet = createFleet()
  const gateway = fleet.join('a')
  const key = keyOf({ eventsPerSecond: 100 })
  expect(gateway.take(key, 130, 1)).toEqual({ events: 100, retryAfterMs: 300 })
  expect(gateway.look(key)).toEqual([{ unit: 'events', perSecond: 100, left: 0 }])
  fleet.run(300, () => {})
  expect(gateway.take(key, 30, 1)).toEqual({ events: 30, retryAfterMs: 0 })
  // As much as ever passes at once.
  expect(gateway.take(key, 5_000, 1)).toEqual({ events: 0, retryAfterMs: 1_000 })
})

test('bytes are limited too, and one event larger than a second of them passes when nothing else did', () => {
  const fleet = createFleet()
  const gateway = fleet.join('a')
  const key = keyOf({ bytesPerSecond: 1_000 })
  expect(gateway.take(key, 10, 2_000).events).toBe(5)
  fleet.run(1_000, () => {})
  expect(gateway.take(key, 2, 6_000)).toEqual({ events: 1, retryAfterMs: 3_000 })
  expect(gateway.take(key, 1, 1).events).toBe(0)
})

test('a limit that an administrator changes holds from the next request on', () => {
  const gateway = createFleet().join('a')
  expect(gateway.take(keyOf({ eventsPerSecond: 1 }), 10, 1).events).toBe(1)
  expect(gateway.take(keyOf({ eventsPerSecond: 5 }), 10, 1).events).toBe(5)
})

/** What each of these gateways is asked for, a second; answers what all took, a second. */
const load = (
  fleet: ReturnType<typeof createFleet>,
  key: KeyRecord,
  ms: number,
  rates: Map<Pick<RateLimiter, 'take'>, number>,
) => {
  let taken = 0
  fleet.run(ms, (now) => {
    for (const [gateway, rate] of rates) {
      const due = Math.floor(((now + 1) * rate) / 1_000) - Math.floor((now * rate) / 1_000)
      if (due > 0) taken += gateway.take(key, due, due).events
    }
  })
  return (taken * 1_000) / ms
}

test('gateways together give the limit, however the load lies on them and whenever it moves', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(fc.integer({ min: 0, max: 3_000 }), { minLength: 3, maxLength: 3 }), {
        minLength: 1,
        maxLength: 3,
      }),
      fc.integer({ min: 0, max: 60 }),
      (phases, delayMs) => {
        const fleet = createFleet({ delayMs })
        const gateways = ['a', 'b', 'c'].map(fleet.join)
        const key = keyOf({ eventsPerSecond: 1_000 })
        fleet.run(1_000, () => {})
        for (const rates of phases) {
          const offered = rates.reduce((sum, rate) => sum + rate, 0)
          const all = new Map(gateways.map((one, i) => [one, rates[i]]))
          // Buckets of a second's worth, and half a second in which nobody knows of the others.
          const change = 3
          expect(load(fleet, key, change * 1_000, all)).toBeLessThanOrEqual(
            1_000 * (1 + (1.5 * gateways.length) / change),
          )
          // After that, whatever the buckets still hold: a second's worth in all.
          const seconds = 10
          const given = load(fleet, key, seconds * 1_000, all)
          expect(given).toBeLessThanOrEqual(1_000 * (1 + 1 / seconds) + 1)
          expect(given).toBeGreaterThanOrEqual(0.95 * Math.min(offered, 1_000) - 1)
        }
      },
    ),
    { numRuns: 20 },
  )
})

test('load that comes to all gateways in the same moment does not get the limit from each', () => {
  const fleet = createFleet()
  const gateways = ['a', 'b', 'c', 'd'].map(fleet.join)
  const key = keyOf({ eventsPerSecond: 1_000 })
  fleet.run(1_000, () => {})
  const given = load(fleet, key, 500, new Map(gateways.map((one) => [one, 5_000])))
  // What the buckets hold, and what comes in half a second.
  expect(given * 0.5).toBeLessThanOrEqual(1_500 + 10)
})

test('a gateway that leaves, dies or joins changes the shares; while reports do not pass they stay', () => {
  const fleet = createFleet()
  const [a, b] = ['a', 'b'].map(fleet.join)
  const key = keyOf({ eventsPerSecond: 1_000 })
  const both = new Map([a, b].map((one) => [one, 2_000]))
  const alone = new Map([[a, 2_000]])
  load(fleet, key, 5_000, both)
  expect(load(fleet, key, 1_000, alone)).toBeLessThan(600)
  fleet.leave('b')
  load(fleet, key, 10, alone)
  expect(load(fleet, key, 1_000, alone)).toBeGreaterThan(950)
  const c = fleet.join('c')
  load(fleet, key, 2_000, new Map([...alone, [c, 2_000]]))
  expect(load(fleet, key, 1_000, alone)).toBeLessThan(600)
  fleet.die('c')
  load(fleet, key, 2_500, alone)
  expect(load(fleet, key, 1_000, alone)).toBeGreaterThan(950)
})

test('a gateway that hears nobody, not even itself, takes no more than before', () => {
  let now = 0
  const gateway = createRateLimiter({ defaults: NONE, gateway: 'a', monotonic: () => now })
  const key = keyOf({ eventsPerSecond: 1_000 })
  gateway.take(key, 1, 1)
  gateway.hear(gateway.report())
  gateway.hear({ gateway: 'b', keys: { k: [5_000, 0] } })
  gateway.take(key, 1_000, 1)
  for (; now < 60_000; now += REPORT_MS) gateway.report()
  expect(gateway.take(key, 1_000, 1).events).toBe(500)
})

test('what one key sends is nothing to another', () => {
  const gateway = createFleet().join('a')
  const [greedy, modest] = [keyOf({ eventsPerSecond: 10 }, 'greedy'), keyOf({ eventsPerSecond: 10 }, 'modest')]
  for (let i = 0; i < 100; i++) gateway.take(greedy, 1_000, 1)
  expect(gateway.take(modest, 10, 1).events).toBe(10)
})

test('fair shares use the limit up, and nobody gets less than an equal part unless it asks for less', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 1, max: 1e6, noNaN: true }),
      fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 8 }),
      (limit, demands) => {
        const shares = demands.map((demand, i) => Math.min(demand, shareOf(limit, demands.toSpliced(i, 1))))
        const used = shares.reduce((sum, share) => sum + share, 0)
        const asked = demands.reduce((sum, demand) => sum + demand, 0)
        expect(used).toBeCloseTo(Math.min(limit, asked), 3)
        for (const [i, share] of shares.entries())
          expect(share).toBeGreaterThanOrEqual(Math.min(demands[i], limit / demands.length) - 1e-6)
      },
    ),
  )
})
