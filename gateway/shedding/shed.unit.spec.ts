import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { PartitionReport } from '#schema/report.ts'
import { type PartitionShedding, SHARES } from '#schema/shedding.ts'
import type { Reports } from '../ports.ts'
import { createShed } from './shed.ts'

const SEED = Uint32Array.of(1, 2, 3, 4)

const decision = (shares: Record<string, number>, epoch = 1): PartitionShedding => ({
  partition: 1,
  owner: 'o',
  epoch,
  tenants: Object.entries(shares).map(([tenant, share]) => ({ tenant, share, since: 5, reason: 'behind' })),
  at: 0,
})

const setUp = (known: PartitionShedding[] = [], seed = SEED) => {
  let now = 0
  let decide: (decision: PartitionShedding) => void = () => undefined
  let report = (): void => undefined
  let at = 0
  const reports: Pick<Reports, 'partitions' | 'onReport'> = {
    partitions: () => [{ partition: 1, at } as PartitionReport],
    onReport(listener) {
      report = listener
      return () => undefined
    },
  }
  const shed = createShed({
    decisions: {
      decisions: () => known,
      onDecision(listener) {
        decide = listener
        return () => undefined
      },
    },
    reports: reports as Reports,
    partitions: 2,
    seed,
    monotonic: () => now,
  })
  return {
    shed,
    decide: (shares: Record<string, number>, epoch?: number) => decide(decision(shares, epoch)),
    pass: (ms: number) => {
      now += ms
    },
    report: (time: number) => {
      at = time
      report()
    },
  }
}

const keys = Array.from({ length: 20_000 }, (_, i) => `session-${i}`)

test('of LOW events the share of the sessions is kept, each for 1/share; of others all', () => {
  const { shed, decide } = setUp()
  for (const share of SHARES.slice(1)) {
    decide({ main: share })
    const weights = keys.map((key) => shed.weightOf('main', 1, key, 'LOW'))
    expect(new Set(weights)).toEqual(new Set([0, 1 / share]))
    const kept = weights.filter((weight) => weight > 0).length / keys.length
    expect(Math.abs(kept - share)).toBeLessThan(4 * Math.sqrt((share * (1 - share)) / keys.length))
    for (const key of keys.slice(0, 50)) {
      expect(shed.weightOf('main', 1, key, 'NORMAL')).toBe(1)
      expect(shed.weightOf('main', 1, key, 'HIGH')).toBe(1)
      expect(shed.weightOf('main', 0, key, 'LOW')).toBe(1)
      expect(shed.weightOf('other', 1, key, 'LOW')).toBe(1)
    }
  }
})

test('what a smaller share keeps a larger one keeps as well, at every gateway; with another secret it is others', () => {
  const [one, other, foreign] = [setUp(), setUp(), setUp([], Uint32Array.of(9, 9, 9, 9))]
  const steps = fc.tuple(fc.constantFrom(...SHARES.slice(1)), fc.constantFrom(...SHARES.slice(1)), fc.string())
  fc.assert(
    fc.property(steps, ([a, b, key]) => {
      one.decide({ main: a })
      other.decide({ main: b })
      const weights = [one, other].map(({ shed }) => shed.weightOf('main', 1, key, 'LOW'))
      if (a === b) expect(weights[0]).toBe(weights[1])
      const [small, large] = a < b ? weights : weights.toReversed()
      if (small > 0) expect(large).toBeGreaterThan(0)
    }),
  )
  one.decide({ main: 0.5 })
  foreign.decide({ main: 0.5 })
  const differs = keys.some(
    (key) => one.shed.weightOf('main', 1, key, 'LOW') !== foreign.shed.weightOf('main', 1, key, 'LOW'),
  )
  expect(differs).toBe(true)
})

const isShedding = ({ shed }: ReturnType<typeof setUp>): boolean => shed.of('main').length > 0

test('a gateway that has just started knows what was decided', () => {
  const { shed } = setUp([decision({ main: 0.25 })])
  expect(shed.of('main')).toEqual([{ partition: 1, tenant: 'main', share: 0.25, since: 5, reason: 'behind' }])
  expect([shed.of('other'), shed.lowestShare(0), shed.lowestShare(1)]).toEqual([[], 1, 0.25])
})

test('a decision holds while reports come, and for a minute after the last one', () => {
  const gateway = setUp([decision({ main: 0.25 })])
  for (let minute = 1; minute <= 5; minute++) {
    gateway.pass(60_000)
    expect(isShedding(gateway)).toBe(true)
    gateway.report(minute)
  }
  gateway.pass(60_001)
  // The same report, which another partition's had led to be read again.
  gateway.report(5)
  expect(isShedding(gateway)).toBe(false)
  expect(gateway.shed.weightOf('main', 1, 'any', 'LOW')).toBe(1)
  gateway.report(6)
  expect(isShedding(gateway)).toBe(true)
})

test('what a former owner decides does not count', () => {
  const gateway = setUp([decision({ main: 0.25 }, 2)])
  gateway.decide({ main: 0.5 }, 1)
  expect(gateway.shed.lowestShare(1)).toBe(0.25)
  gateway.decide({}, 2)
  expect(isShedding(gateway)).toBe(false)
})
