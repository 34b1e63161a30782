import { expect, test } from 'vitest'
import type { PartitionShedding } from '#schema/shedding.ts'
import { createShedder } from './shedder.ts'

const SETTINGS = { shedLagMs: 5_000, calmMs: 10_000 }
const NOON = Date.UTC(2026, 0, 1, 12)

const setUp = (inherited?: PartitionShedding) => {
  const published: PartitionShedding[] = []
  const state = { isAway: false }
  const shedder = createShedder({
    partition: 3,
    owner: 'o',
    epoch: 7,
    settings: SETTINGS,
    book: {
      last: () => inherited,
      async publish(decision) {
        if (state.isAway) throw new Error('KV is away')
        published.push(decision)
      },
    },
  })
  let second = 0
  /** Seconds with these tenants' rates; a partition that takes 1,000 events/s and works nothing off. */
  const pass = async (seconds: number, behindSeconds: number, tenants: Record<string, number>): Promise<void> => {
    for (let i = 0; i < seconds; i++) {
      second++
      const rates = Object.entries(tenants).map(([tenant, perSecond]) => ({ tenant, perSecond }))
      const load = { perSecond: 1_000, arrivingPerSecond: 3_100, tenants: rates }
      const times = { now: NOON + second * 1_000, monotonic: second * 1_000 }
      await shedder.look({ load, behindSeconds, pendingEvents: behindSeconds * 1_000, ...times }).catch(() => undefined)
    }
  }
  const shares = () => Object.fromEntries((published.at(-1)?.tenants ?? []).map(({ tenant, share }) => [tenant, share]))
  return { pass, shares, published, state, shedder }
}

test('only the tenants that cause the load are shed, and gateways are told with the reason', async () => {
  const { pass, shares, published } = setUp()
  await pass(3, 7.25, { flood: 3_000, small: 100 })
  expect(shares()).toEqual({ flood: 0.5 })
  expect(published).toEqual([
    {
      partition: 3,
      owner: 'o',
      epoch: 7,
      at: NOON + 3_000,
      tenants: [
        {
          tenant: 'flood',
          share: 0.5,
          since: NOON + 3_000,
          reason: '7.3 s behind: 3,100 events/s arrive, 1,000/s are processed',
        },
      ],
    },
  ])
  await pass(60, 7, { flood: 3_000, small: 100 })
  expect(shares()).toEqual({ flood: 1 / 32 })
  expect(published).toHaveLength(5)
  expect(published.at(-1)?.tenants[0].since).toBe(NOON + 3_000)
})

test('after the load all is kept again, and nothing more is said', async () => {
  const { pass, shares, published, shedder } = setUp()
  await pass(10, 7, { flood: 3_000 })
  await pass(100, 0, { flood: 100 })
  expect(shares()).toEqual({})
  expect(published.at(-1)?.tenants).toEqual([])
  const said = published.length
  await pass(1_000, 0, { flood: 100 })
  expect([published.length, shedder.shedding()]).toEqual([said, []])
})

test('a new owner goes on from what the one before had decided', async () => {
  const tenants = [{ tenant: 'flood', share: 0.25, since: NOON - 60_000, reason: 'as it was' }]
  const { pass, published } = setUp({ partition: 3, owner: 'former', epoch: 6, tenants, at: NOON - 60_000 })
  await pass(5, 0, {})
  expect(published).toEqual([])
  await pass(10, 0, {})
  expect(published.at(-1)?.tenants).toEqual([{ ...tenants[0], share: 0.5 }])
})

test('what could not be told is told at the next look', async () => {
  const { pass, shares, state } = setUp()
  state.isAway = true
  await pass(3, 7, { flood: 3_000 })
  expect(shares()).toEqual({})
  state.isAway = false
  await pass(1, 7, { flood: 3_000 })
  expect(shares()).toEqual({ flood: 0.5 })
})

test('a decision is one message, however many tenants there are', async () => {
  const { pass, published } = setUp()
  await pass(10, 7, Object.fromEntries(Array.from({ length: 3_000 }, (_, i) => [`t${i}`, 1 + i / 10_000])))
  expect(published.at(-1)?.tenants).toHaveLength(1_000)
  expect(published.at(-1)?.tenants.map(({ tenant }) => tenant)).toContain('t2999')
})
