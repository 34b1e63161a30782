import { expect, it } from 'vitest'
import type { Point } from '#gateway/live/points.ts'
import { definition, TENANT, tumbling } from '#gateway/live/testing.ts'
import { openWindowChain, pullUntil } from '#infra/testing/window-chain.ts'
import type { TopValue } from '#schema/measures/heavy-hitters.ts'
import type { Quantiles } from '#schema/measures/quantiles.ts'
import type { MeasureSpec } from '#schema/metric.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const START = Math.floor(Date.now() / HOUR) * HOUR - HOUR
const WINDOW = tumbling(MINUTE)

const measures: Record<string, MeasureSpec> = {
  bytes: { kind: 'SUM', field: 'properties.bytes' },
  speed: { kind: 'QUANTILES', field: 'properties.ms' },
  pages: { kind: 'TOPK', field: 'properties.path', k: 3 },
  users: { kind: 'UNIQUES', field: 'userId' },
}
const definitions = Object.entries(measures).map(([name, measure]) =>
  definition({ name, measure, dimensions: [], windows: [WINDOW] }),
)

const USERS = 1_500
const FRAMES = 6
/** Sums of such integers need more digits than a double has. */
const BYTES = 2 ** 52 + 1

/** A frame of 500 page views; every user comes twice. */
const frame = (number: number) =>
  Array.from({ length: 500 }, (_, i) => {
    const n = number * 500 + i
    const path = n % 5 === 0 ? '/' : n % 7 === 0 ? '/cart' : `/product/${n % 90}`
    const properties = { bytes: BYTES, ms: 1.5 ** (n % 40), path }
    return { key: `s${n}`, time: START + n, e: { userId: `u${n % USERS}`, properties } }
  })
const events = Array.from({ length: FRAMES }, (_, i) => frame(i)).flat()

const checkTruth = (points: Record<string, Point>): void => {
  expect(points.bytes.value).toBe(Number(BigInt(BYTES) * BigInt(events.length)))
  const times = events.map(({ e }) => e.properties.ms).sort((a, b) => a - b)
  for (const [name, p] of [
    ['p50', 0.5],
    ['p90', 0.9],
    ['p99', 0.99],
  ] as const) {
    const exact = times[Math.floor(p * (times.length - 1))]
    expect(Math.abs((points.speed.detail as Quantiles)[name] / exact - 1)).toBeLessThan(0.01)
  }
  const counts = new Map<string, number>()
  for (const { e } of events) counts.set(e.properties.path, (counts.get(e.properties.path) ?? 0) + 1)
  const detail = points.pages.detail as TopValue[]
  expect(detail.map(({ value }) => value).slice(0, 2)).toEqual(['/', '/cart'])
  expect(detail).toHaveLength(3)
  for (const { value, count, error } of detail) expect([count, error]).toEqual([counts.get(value), 0])
  expect(Math.abs((points.users.value ?? 0) / USERS - 1)).toBeLessThan(0.03)
  expect(points.users.value).not.toBe(USERS)
}

it('every measure comes from its definition to the same answer, live, after a restart, and from the store', async () => {
  await using chain = await openWindowChain(...definitions)
  const live = await chain.openGateway()
  const range = { window: WINDOW, from: START, to: START + HOUR, limit: 10 }
  const pointsOf = async ({ reader }: typeof live): Promise<Record<string, Point>> => {
    const entries = Object.keys(measures).map(async (metric) => {
      const { points } = await reader.range(TENANT, { ...range, metric })
      expect(points).toHaveLength(1)
      return [metric, points[0]] as const
    })
    return Object.fromEntries(await Promise.all(entries))
  }
  const updates = await live.reader.subscribe(TENANT, { metric: 'users', window: WINDOW, last: 10 })
  for (let i = 0; i < FRAMES; i++) {
    await chain.sendFrame(frame(i))
    await pullUntil(updates, (points) => points.some((point) => point.events === (i + 1) * 500))
    if (i === FRAMES / 2) await chain.restartProcessor()
  }
  await updates.return?.()
  const shown = await pointsOf(live)
  checkTruth(shown)
  expect(live.questions()).toBe(0)

  const [fresh, later] = [await chain.openGateway(), await chain.openGateway(5 * HOUR)]
  expect(await pointsOf(fresh)).toEqual(shown)
  expect(await pointsOf(later)).toEqual(shown)
  await chain.olap.maintain(Date.now())
  expect(await pointsOf(later)).toEqual(shown)
  expect(fresh.questions()).toBe(0)
  expect(later.questions()).toBeGreaterThanOrEqual(2 * definitions.length)

  const { rows } = await chain.olap.sql('SELECT metric, value, detail, sampled FROM minly_points ORDER BY metric')
  const expected = Object.entries(shown).map(([metric, { value, detail, sampled }]) => [metric, value, detail, sampled])
  const read = rows.map(([metric, value, detail, sampled]) => [metric, value, JSON.parse(`${detail}`), sampled])
  expect(read).toEqual(expected.sort())
  await Promise.all([live, fresh, later].map(({ view }) => view.close()))
})
