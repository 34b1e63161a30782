import { expect, it } from 'vitest'
import type { Point } from '#gateway/live/points.ts'
import { definition, TENANT } from '#gateway/live/testing.ts'
import { openWindowChain, pullUntil } from '#infra/testing/window-chain.ts'
import type { MetricDefinition } from '#schema/metric.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const BASE = Math.floor(Date.now() / HOUR) * HOUR - HOUR
const WINDOW = { kind: 'SESSION', gapMs: MINUTE } as const

const visits: MetricDefinition = definition({ name: 'visits', dimensions: ['country'], windows: [WINDOW] })
/** Session id, seconds after BASE, country. */
const event = (key: string, seconds: number, country: string) => ({ key, time: BASE + seconds * 1_000, country })

const request = { metric: 'visits', window: WINDOW }
const range = { ...request, from: BASE - HOUR, to: BASE + HOUR, limit: 1_000 }

const brief = ({ windowStart, windowEnd, dimensions, events, value, status }: Point) => [
  (windowStart - BASE) / 1_000,
  (windowEnd - BASE) / 1_000,
  dimensions.join('/'),
  events,
  value,
  status,
]

it('a late event that bridges two sessions retracts one, live and stored alike, across a restart of the processor', async () => {
  await using chain = await openWindowChain(visits)
  await chain.send(event('s', 0, 'DE'), event('s', 30, 'AT'), event('s', 120, 'DE'), event('t', 60, 'DE'))
  const live = await chain.openGateway()
  const updates = await live.reader.subscribe(TENANT, { ...request, last: 100 })
  const first = await pullUntil(updates, (points) => points.some(({ dimensions }) => dimensions[0] === 't'))
  const before = new Map(first.flatMap(({ points }) => points).map((point) => [brief(point).slice(0, 3).join(), point]))
  expect([...before.values()].map(brief)).toEqual(
    expect.arrayContaining([
      [0, 90, 's/AT', 1, 1, 'COMPLETE'],
      [0, 90, 's/DE', 1, 1, 'COMPLETE'],
      [120, 180, 's/DE', 1, 1, 'PROVISIONAL'],
      [60, 120, 't/DE', 1, 1, 'PROVISIONAL'],
    ]),
  )

  await chain.restartProcessor()
  await chain.send(event('s', 75, 'CH'))
  const bridged = await pullUntil(updates, (points) => points.some(({ status }) => status === 'RETRACTED'))
  const merged = [
    [0, 180, 's/AT', 1, 1, 'PROVISIONAL'],
    [0, 180, 's/CH', 1, 1, 'PROVISIONAL'],
    [0, 180, 's/DE', 2, 2, 'PROVISIONAL'],
  ]
  expect(bridged.flatMap(({ points }) => points).map(brief)).toEqual([
    ...merged,
    [120, 180, 's/DE', 0, null, 'RETRACTED'],
  ])
  expect((await live.reader.range(TENANT, range)).points.map(brief)).toEqual([
    ...merged,
    [60, 120, 't/DE', 1, 1, 'PROVISIONAL'],
  ])

  // Half an hour later nothing can change them any more.
  await chain.send(event('u', 1_800, 'DE'))
  await pullUntil(updates, (points) => points.some(({ status }) => status === 'FINAL'))
  await updates.return?.()
  const points = (await live.reader.range(TENANT, range)).points
  expect(points.map(brief)).toEqual([
    ...merged.map((one) => one.with(5, 'FINAL')),
    [60, 120, 't/DE', 1, 1, 'FINAL'],
    [1_800, 1_860, 'u/DE', 1, 1, 'PROVISIONAL'],
  ])
  expect(live.questions()).toBe(0)

  const anew = await chain.openGateway()
  expect((await anew.reader.range(TENANT, range)).points).toEqual(points)
  expect(anew.questions()).toBe(0)
  const later = await chain.openGateway(4 * HOUR)
  expect((await later.reader.range(TENANT, range)).points).toEqual(points)
  expect(later.questions()).toBeGreaterThan(0)
  const snapshot = await later.reader.subscribe(TENANT, { ...request, last: 100 })
  expect((await snapshot.next()).value).toMatchObject({ kind: 'SNAPSHOT', points })
  await snapshot.return?.()
  await Promise.all([live, anew, later].map(({ view }) => view.close()))
})
