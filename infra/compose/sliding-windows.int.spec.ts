import { expect, it } from 'vitest'
import type { Point } from '#gateway/live/points.ts'
import type { Update } from '#gateway/live/subscription.ts'
import { definition, sliding, TENANT } from '#gateway/live/testing.ts'
import { openWindowChain, pullUntil } from '#infra/testing/window-chain.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const BASE = Math.floor(Date.now() / HOUR) * HOUR - HOUR
const at = (minute: number): number => BASE + minute * MINUTE

const WINDOW = sliding(5 * MINUTE, MINUTE)
const visits = definition({ name: 'visits', dimensions: ['country'], windows: [WINDOW] })
const request = { metric: 'visits', window: WINDOW }
const range = { ...request, from: at(-60), to: at(60), limit: 1_000 }

const brief = ({ windowStart, dimensions, value, status }: Point) => [
  (windowStart - BASE) / MINUTE,
  dimensions.join('/'),
  value,
  status,
]
const keyOf = ({ windowStart, dimensions, revision, status }: Point) =>
  [windowStart, dimensions, revision, status].join(' ')

/** The last that was pushed of each point, by window and dimensions. */
const newest = (updates: readonly Update[]): Point[] => {
  const points = new Map<string, Point>()
  for (const point of updates.flatMap((update) => update.points)) {
    points.set(`${point.windowStart} ${point.dimensions}`, point)
  }
  return [...points.values()].sort((a, b) => a.windowStart - b.windowStart)
}

it('sliding windows are pushed once for each change, and are the same live, resumed and stored', async () => {
  await using chain = await openWindowChain(visits)
  const live = await chain.openGateway()
  const updates = await live.reader.subscribe(TENANT, { ...request, last: 100 })
  await chain.send({ key: 'a', time: at(0), country: 'DE' }, { key: 'b', time: at(6), country: 'DE' })
  const has = (minute: number, value: number) => (points: Point[]) =>
    points.some((point) => point.windowStart === at(minute) && point.value === value)
  const first = await pullUntil(updates, has(6, 1))
  const cursor = first.at(-1)?.cursor
  await updates.return?.()

  // While nobody is connected an event corrects windows: late for those that had ended, in time for the others (the watermark is 5 s before 6).
  await chain.restartProcessor()
  await chain.send({ key: 'c', time: at(3), country: 'DE' })
  const other = await chain.openGateway()
  const resumed = await other.reader.subscribe(TENANT, { ...request, last: 100, after: cursor })
  const rest = await pullUntil(resumed, has(3, 2))
  await resumed.return?.()
  expect(rest.map(({ kind }) => kind)).toEqual(rest.map(() => 'DELTA'))
  const changed = rest.flatMap(({ points }) => points).map(brief)
  expect(changed).toEqual([
    [-1, 'DE', 2, 'CORRECTED'],
    [0, 'DE', 2, 'CORRECTED'],
    [1, 'DE', 1, 'PROVISIONAL'],
    [2, 'DE', 2, 'PROVISIONAL'],
    [3, 'DE', 2, 'PROVISIONAL'],
  ])

  const pushed = [...first, ...rest].flatMap(({ points }) => points)
  expect(new Set(pushed.map(keyOf)).size).toBe(pushed.length)
  const { points } = await live.reader.range(TENANT, range)
  expect(newest([...first, ...rest])).toEqual(points)
  expect([live.questions(), other.questions()]).toEqual([0, 0])

  const later = await chain.openGateway(5 * HOUR)
  expect((await later.reader.range(TENANT, range)).points).toEqual(points)
  expect(later.questions()).toBeGreaterThan(0)
  await Promise.all([live, other, later].map(({ view }) => view.close()))
})
