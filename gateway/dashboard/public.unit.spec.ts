import { expect, test } from 'vitest'

const load = (file: string) => import(new URL(`public/${file}`, import.meta.url).href)
const { fillWindows, niceScale } = await load('scale.mjs')
const { bytes, age } = await load('format.mjs')
const { createSeries } = await load('series.mjs')

const MINUTE = 60_000
const at = (minute: number) => ({
  start: minute * MINUTE,
  end: (minute + 1) * MINUTE,
  value: minute,
  status: 'COMPLETE',
})
const starts = (windows: { start: number }[]) => windows.map(({ start }) => start / MINUTE)

test('an axis ends at a round number above the greatest value', () => {
  expect(niceScale(733)).toEqual({ top: 800, step: 200 })
  expect(niceScale(0.7)).toEqual({ top: 0.8, step: 0.2 })
  expect(niceScale(0).top).toBeGreaterThan(0)
})

test('recent windows reach to now, without holes', () => {
  const filled = fillWindows([at(100), at(103)], MINUTE, 60, 105.5 * MINUTE)
  expect(starts(filled)).toEqual(Array.from({ length: 20 }, (_, i) => 86 + i))
  expect(filled.slice(-6).map(({ value }: { value: number }) => value)).toEqual([100, 0, 0, 103, 0, 0])
})

test('windows of long ago are shown where they are', () => {
  expect(starts(fillWindows([at(100), at(103)], MINUTE, 60, 9_000 * MINUTE))).toEqual([100, 101, 102, 103])
  expect(fillWindows([], MINUTE, 60, 0)).toEqual([])
})

test('no more than the last windows are shown', () => {
  const filled = fillWindows(
    Array.from({ length: 91 }, (_, i) => at(i)),
    MINUTE,
    60,
    90 * MINUTE,
  )
  expect([filled.length, filled[0].start / MINUTE]).toEqual([60, 31])
})

test('a window of long ago and one in the future leave the present in sight', () => {
  const filled = fillWindows([at(5), at(100), at(400)], MINUTE, 60, 100 * MINUTE)
  expect(starts(filled)).toEqual(Array.from({ length: 20 }, (_, i) => 82 + i))
})

test('sizes and ages are short', () => {
  expect([bytes(999), bytes(2_747_282_740)]).toEqual(['999 B', '2.7 GB'])
  expect([age(-5), age(2_400), age(120_000)]).toEqual(['0 s', '2 s', '2 min'])
})

const point = (minute: number, country: string | null, value: number) => ({
  windowStart: new Date(minute * MINUTE).toISOString(),
  windowEnd: new Date((minute + 1) * MINUTE).toISOString(),
  dimensions: [country],
  value,
  status: 'PROVISIONAL',
  revision: 1,
})

const setUp = () => {
  const opened: { variables(): { after?: string }; onData(data: object): void; onError(error: object): void }[] = []
  const socket = {
    subscribe(subscription: (typeof opened)[0]) {
      opened.push(subscription)
      return () => {}
    },
  }
  const options = { socket, name: 'page_views', window: 'PT1M', by: ['country'], last: 2, onChange: () => {} }
  const series = createSeries(options)
  const say = (kind: string, cursor: string, points: object[]) =>
    opened.at(-1)!.onData({ metric: { kind, cursor, points, asOf: '2026-01-01T00:00:00Z', watermark: null } })
  return { series, opened, say }
}

test('a series keeps the newest value of each point and the newest windows', () => {
  const { series, say } = setUp()
  say('SNAPSHOT', 'a', [point(1, 'DE', 1), point(2, 'DE', 2), point(2, null, 5)])
  say('DELTA', 'b', [point(3, 'DE', 4), point(2, 'DE', 3)])
  expect(series.windows().map(({ value }: { value: number }) => value)).toEqual([8, 4])
  expect(series.totals(0)).toEqual([
    ['DE', 7],
    [null, 5],
  ])
  expect(series.totals(3 * MINUTE)).toEqual([['DE', 4]])
  say('RESET', 'c', [point(9, 'AT', 1)])
  expect(series.totals(0)).toEqual([['AT', 1]])
})

test('a series goes on from its newest cursor, and from none when that is refused', async () => {
  const { series, opened, say } = setUp()
  say('SNAPSHOT', 'a', [])
  say('DELTA', 'b', [point(1, 'DE', 1)])
  expect(opened[0].variables().after).toBe('b')
  opened[0].onError({ message: 'no', extensions: { code: 'CURSOR_INVALID' } })
  await expect.poll(() => opened.length).toBe(2)
  expect(opened[1].variables().after).toBeUndefined()
  series.close()
})
