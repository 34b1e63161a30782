import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Condition } from '#schema/metric.ts'
import { at, FoldHarness, metric, type TestEvent } from './fold-harness.ts'

const MINUTE = 60
const HORIZON = 600
const OUT_OF_ORDER = 5

const paid: Condition = { field: 'properties.paid', op: 'EQ', value: true }
const METRICS = [
  metric({ name: 'all' }),
  metric({ name: 'by_path', event: 'view', dimensions: ['properties.path', 'country'] }),
  metric({ name: 'paid', where: [paid], dimensions: ['country'], measure: { kind: 'SUM', field: 'properties.n' } }),
  metric({ name: 'people', dimensions: ['name'], measure: { kind: 'UNIQUES', field: 'sessionId' } }),
]

/** What each metric says of an event, by hand: its dimensions, and what it measures. Null: nothing. */
type Read = { dims: (string | null)[]; value?: number | string } | null
const READERS: Record<string, (event: TestEvent) => Read> = {
  all: () => ({ dims: [] }),
  by_path: ({ name, country, properties: p }) =>
    name === 'view' ? { dims: [(p?.path as string) ?? null, country ?? null] } : null,
  paid: ({ country, properties: p }) => (p?.paid === true ? { dims: [country ?? null], value: p.n as number } : null),
  people: ({ name, key }) => ({ dims: [name!], value: key! }),
}

interface Point {
  events: number
  sum: number
  people: Set<unknown>
}

/** The same rules in the plainest way: one event after the other, everything kept, nothing looked up twice. */
const createNaive = () => {
  const seen = new Set<string>()
  const watermarks = new Map<string, number>()
  const points = new Map<string, Point>()
  const count = (event: TestEvent): void => {
    for (const [name, read] of Object.entries(READERS)) {
      const found = read(event)
      if (!found) continue
      const key = JSON.stringify([name, Math.floor(event.time / MINUTE) * MINUTE, found.dims])
      const point = points.get(key) ?? { events: 0, sum: 0, people: new Set() }
      points.set(key, point)
      point.events++
      if (typeof found.value === 'number') point.sum += found.value
      if (typeof found.value === 'string') point.people.add(found.value)
    }
  }
  return {
    points,
    frame(now: number, events: readonly TestEvent[]): string[] {
      const before = new Map(watermarks)
      return events.map((event) => {
        const source = event.source!
        const candidate = Math.min(event.time, now) - OUT_OF_ORDER
        watermarks.set(source, Math.max(watermarks.get(source) ?? Number.NEGATIVE_INFINITY, candidate))
        const watermark = before.get(source) ?? Number.NEGATIVE_INFINITY
        const identity = JSON.stringify([source, event.key, event.id])
        // An identity is forgotten when every event of its minute would be late.
        const isRemembered = Math.floor(event.time / MINUTE) >= Math.floor((watermark - HORIZON) / MINUTE)
        if (seen.has(identity) && isRemembered) return 'D'
        if (event.time < watermark - HORIZON) return 'L'
        seen.add(identity)
        count(event)
        return 'C'
      })
    },
  }
}

const text = fc.constantFrom('a', '1:a', '-', 'é', '日本')
const event: fc.Arbitrary<TestEvent> = fc.record({
  id: fc.constantFrom('1', '2', '3', '4', '5'),
  key: fc.constantFrom('k', 'l', 'm'),
  source: fc.constantFrom('live', 'import'),
  name: fc.constantFrom('view', 'click'),
  time: fc.integer({ min: 0, max: 1_500 }),
  country: fc.constantFrom(undefined, 'NL', 'DE'),
  properties: fc.record(
    { path: text, paid: fc.constantFrom(true, false, 1, 'true'), n: fc.integer({ min: -9, max: 9 }) },
    { requiredKeys: ['n'] },
  ),
})
const frame = fc.record({
  after: fc.nat(300),
  events: fc.array(event, { minLength: 1, maxLength: 12 }),
  restarts: fc.boolean(),
})

test('whatever comes in whatever frames, with whatever restarts, points are what plain counting gives', () => {
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 12 }), (frames) => {
      const harness = new FoldHarness()
      for (const one of METRICS) harness.define(one)
      const naive = createNaive()
      let now = 0
      let unique = 0
      for (const { after, events, restarts } of frames) {
        now += after
        // An id that comes again after the horizon would be a new event: each minute has ids of its own.
        const named = events.map((one) => ({ ...one, id: `${one.id}-${Math.floor(one.time / MINUTE)}` }))
        named.push({ ...named[0], id: `once-${unique++}` })
        expect(harness.frame(now, ...named)).toEqual(naive.frame(now, named))
        if (restarts) harness.restart()
      }
      const points = METRICS.flatMap(({ name }) =>
        Object.values(harness.totals(name)).map((row) => [
          JSON.stringify([name, (row.start - at(0)) / 1000, row.dims]),
          { events: row.events, sum: row.sum ?? 0, people: row.members?.length ?? 0 },
        ]),
      )
      const wanted = [...naive.points].map(([key, { people, ...rest }]) => [key, { ...rest, people: people.size }])
      expect(Object.fromEntries(points)).toEqual(Object.fromEntries(wanted))
    }),
  )
})
