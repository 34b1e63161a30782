import { expect, test } from 'vitest'
import type { EventLine } from '#schema/event.ts'
import { SourceClock } from '../windows/watermark.ts'
import { createClockReports } from './clock-reports.ts'

const line = (over: Partial<EventLine> = {}): EventLine => ({
  tenant: 'main',
  source: 'live',
  receivedAt: 10_000,
  time: 9_000,
  key: 's1',
  weight: 1,
  schema: 0,
  e: { id: 'e1', name: 'page_view' },
  ...over,
})

const clockOf = (tenant: string, ...lines: EventLine[]): SourceClock => {
  const clock = new SourceClock(tenant, 'live')
  for (const one of lines) clock.observe(one, 10_500, 5_000)
  clock.endFrame(7, 10_500)
  return clock
}

test('a clock is told with the event that pushed it, and with what was ahead and pushed nobody', () => {
  const ahead = line({ time: 10_000 + 7_200_000, e: { id: 'ahead', name: 'page_view' } })
  const clock = clockOf('main', line(), ahead, line({ time: 8_000, e: { id: 'older', name: 'page_view' } }))
  const { clocks, omitted } = createClockReports().next([clock], () => 12_000)
  expect(omitted).toBe(0)
  expect(clocks).toEqual([
    {
      tenant: 'main',
      source: 'live',
      watermark: 5_000,
      idle: false,
      pushedBy: { id: 'ahead', name: 'page_view', key: 's1', time: 7_210_000, counted: 10_000, sequence: 7 },
      ahead: { events: 1, byMs: 7_200_000, sequence: 7 },
      lastEventAt: 12_000,
    },
  ])
})

test('what a tick raised was pushed by nobody, and an event that does not move the clock pushes nobody', () => {
  const clock = clockOf('main', line())
  clock.tick(20_000)
  clock.observe(line(), 10_500, 5_000)
  clock.endFrame(8, 10_500)
  const { clocks } = createClockReports().next([clock], () => undefined)
  expect(clocks).toEqual([{ tenant: 'main', source: 'live', watermark: 20_000, idle: false }])
})

test('more clocks than a report holds have their turn one after the other, those that moved first', () => {
  const all = Array.from({ length: 10 }, (_, i) => clockOf(`tenant_${i}`, line()))
  const size = JSON.stringify(createClockReports().next([all[0]], () => undefined).clocks[0]).length + 1
  const reports = createClockReports(size * 4)
  const next = (): string[] => {
    const { clocks, omitted } = reports.next(all, () => undefined)
    expect(clocks.length + omitted).toBe(all.length)
    expect(JSON.stringify(clocks).length).toBeLessThanOrEqual(size * 4 + 2)
    return clocks.map(({ tenant }) => tenant)
  }
  expect(new Set([...next(), ...next(), ...next()]).size).toBe(10)
  all[5].tick(6_000)
  expect(next()[0]).toBe('tenant_5')
})
