import { expect, test } from 'vitest'
import { createLoadMeter } from './load.ts'

const read = (name: string, events: number, weight = events) => ({ name, read: { events, weight } })

test('rates are those of the last looks; what was shed counts as sent', () => {
  const meter = createLoadMeter()
  expect(meter.look(0, [], 0)).toEqual({ perSecond: 0, arrivingPerSecond: 0, tenants: [] })
  expect(meter.look(1_000, [read('a', 100), read('b', 50, 200)], 0)).toEqual({
    perSecond: 150,
    arrivingPerSecond: 150,
    tenants: [
      { tenant: 'a', perSecond: 100 },
      { tenant: 'b', perSecond: 200 },
    ],
  })
  for (let second = 2; second <= 7; second++) meter.look(second * 1_000, [read('a', 100), read('b', 50, 200)], 0)
  expect(meter.look(8_000, [read('a', 100), read('b', 50, 200)], 0)).toEqual({
    perSecond: 0,
    arrivingPerSecond: 0,
    tenants: [],
  })
})

test('while it is behind, tenants send what is read of them and their part of what piles up', () => {
  const meter = createLoadMeter()
  meter.look(0, [], 0)
  const { perSecond, arrivingPerSecond, tenants } = meter.look(1_000, [read('a', 90), read('b', 10)], 200)
  expect([perSecond, arrivingPerSecond]).toEqual([100, 300])
  expect(tenants.map((one) => [one.tenant, one.perSecond])).toEqual([
    ['a', 270],
    ['b', 30],
  ])
})

test('a backlog that is worked off does not arrive again', () => {
  const meter = createLoadMeter()
  meter.look(0, [], 500)
  expect(meter.look(1_000, [read('a', 100)], 300)).toEqual({
    perSecond: 100,
    arrivingPerSecond: 0,
    tenants: [{ tenant: 'a', perSecond: 100 }],
  })
})
