import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SESSION_END } from '#schema/event.ts'
import { bucketOf } from '#schema/measures/quantiles.ts'
import { at, FoldHarness, metric } from './fold-harness.ts'

const GAP = 60

const sessionMetric = (over: Parameters<typeof metric>[0] = {}) =>
  metric({ windows: [{ kind: 'SESSION', gapMs: GAP * 1_000 }], ...over })

/** Counts sessions by the minute of their end. */
const endMetric = (over: Parameters<typeof metric>[0] = {}) =>
  metric({ name: 'ended', event: SESSION_END, sessionGapMs: GAP * 1_000, ...over })

const eventsOf = (harness: FoldHarness, name = 'views') =>
  Object.fromEntries(Object.entries(harness.sessions(name)).map(([key, { events }]) => [key, events]))

const visit = (id: string, time: number, more: object = {}) => ({ id, time, key: 's', ...more })

describe('session windows', () => {
  it('events one gap apart belong to one session, a millisecond more begins another', () => {
    const harness = new FoldHarness().define(sessionMetric())
    harness.frame(200, visit('a', 0), visit('b', 60), visit('c', 120.001))
    expect(eventsOf(harness)).toEqual({ 's 0–120': 2, 's 120.001–180.001': 1 })
  })

  it('each key and each source has its own', () => {
    const harness = new FoldHarness().define(sessionMetric())
    harness.frame(50, visit('a', 0), visit('b', 10, { key: 't' }), visit('c', 20, { source: 'file' }))
    expect(Object.keys(harness.sessions())).toEqual(['s 0–60', 't 10–70', 's 20–80'])
  })

  it('an event between two sessions makes one of them, and the later is retracted in the same checkpoint', () => {
    const harness = new FoldHarness().define(sessionMetric())
    harness.frame(105, visit('a', 0), visit('b', 100))
    harness.frame(106, visit('c', 50))
    expect(eventsOf(harness)).toEqual({ 's 0–160': 3 })
    const { sessions } = harness.sealed.at(-1)!
    expect(sessions.map(({ start, revision, retracted, events }) => [start, revision, retracted, events])).toEqual([
      [at(100), 2, true, 0],
      [at(0), 2, undefined, 3],
    ])
  })

  it('a session that begins earlier than was known moves: the old start is retracted', () => {
    const harness = new FoldHarness().define(sessionMetric())
    harness.frame(100, visit('b', 50))
    harness.frame(101, visit('a', 20))
    expect(eventsOf(harness)).toEqual({ 's 20–110': 2 })
    expect(harness.sealed.at(-1)!.sessions.map(({ start, retracted }) => [start, retracted])).toEqual([
      [at(50), true],
      [at(20), undefined],
    ])
  })

  it('what no checkpoint had said is not retracted', () => {
    const harness = new FoldHarness().define(sessionMetric())
    harness.append(100, visit('b', 50))
    harness.frame(101, visit('a', 20))
    expect(harness.sealed.at(-1)!.sessions).toMatchObject([{ start: at(20), events: 2, revision: 1 }])
  })

  it('all series of a session have its bounds', () => {
    const harness = new FoldHarness().define(sessionMetric({ dimensions: ['country'] }))
    harness.frame(100, visit('a', 30, { country: 'NL' }), visit('b', 40, { country: 'DE' }))
    harness.frame(101, visit('c', 10, { country: 'NL' }))
    expect(eventsOf(harness)).toEqual({ 's 10–100 NL': 2, 's 10–100 DE': 1 })
  })

  it.each([true, false])(
    'a series that was long silent goes on with its session after a restart (merged: %s)',
    (merged) => {
      const harness = new FoldHarness().define(sessionMetric({ dimensions: ['country'] }))
      const views = Array.from({ length: 40 }, (_, i) => visit(`v${i}`, 25 * i, { country: i === 0 ? 'NL' : 'DE' }))
      for (const view of views) harness.frame(view.time, view)
      const silent = harness.sealed.flatMap(({ sessions }) => sessions).find(({ dims }) => dims[0] === 'NL')!
      expect(harness.fold.tenant('main').isOpenSession({ ...silent })).toBe(true)
      harness.restart({ merged }).frame(1_000, visit('again', 1_000, { country: 'NL' }))
      expect(eventsOf(harness)).toEqual({ 's 0–1060 NL': 2, 's 0–1035 DE': 39 })
    },
  )

  it('a session that a restart finds closed takes no event from another', () => {
    const harness = new FoldHarness().define(sessionMetric())
    harness.frame(105, visit('a', 0), visit('b', 100))
    harness.frame(106, visit('c', 50))
    for (let time = 150; time <= 900; time += 50) harness.frame(time, visit(`v${time}`, time))
    harness.forget(({ retracted }) => retracted === true)
    harness.restart({ merged: false }).frame(950, visit('d', 950))
    expect(eventsOf(harness)).toEqual({ 's 0–1010': 20 })
  })

  it('no session is longer than a day: it is cut, and another begins', () => {
    const day = 86_400
    const gap = 43_200
    const harness = new FoldHarness().define(sessionMetric({ windows: [{ kind: 'SESSION', gapMs: gap * 1_000 }] }))
    harness.frame(2 * day, visit('a', 0))
    harness.append(2 * day, visit('b', gap), visit('c', day), visit('d', day + 1))
    harness.seal()
    expect(eventsOf(harness)).toEqual({ [`s 0–${day + gap}`]: 3, [`s ${day + 1}–${day + 1 + gap}`]: 1 })
  })

  it('an event that comes when its session had ended is a correction; a late one changes nothing', () => {
    const harness = new FoldHarness().define(sessionMetric())
    harness.frame(10, visit('a', 10))
    harness.frame(300, visit('x', 300, { key: 'other' }))
    expect(harness.frame(301, visit('b', 40))).toEqual(['C'])
    expect(harness.sessions()['s 10–100']).toMatchObject({ events: 2, corrections: 1 })
    harness.frame(2_000, visit('y', 2_000, { key: 'other' }))
    expect(harness.frame(2_001, visit('c', 60))).toEqual(['L'])
    expect(harness.sessions()['s 10–100']).toMatchObject({ events: 2 })
  })

  it.each([
    { kind: 'TOPK', field: 'properties.value' },
    { kind: 'UNIQUES', field: 'properties.value' },
  ] as const)('the row of a $kind fits a message, however many sessions become one', (measure) => {
    const harness = new FoldHarness().define(sessionMetric({ measure }))
    const long = '\u65e5'.repeat(250)
    for (let session = 0; session < 8; session++) {
      const values = Array.from({ length: 1_000 }, (_, i) => ({ value: `${session} ${i} ${long}` }))
      harness.frame(500, ...values.map((properties, i) => visit(`${session} ${i}`, session * 62, { properties })))
    }
    for (let session = 1; session < 8; session++) harness.frame(501, visit(`b${session}`, session * 62 - 31))
    const [row, ...others] = Object.values(harness.sessions())
    expect([row.events, others]).toEqual([8_007, []])
    expect(Buffer.byteLength(JSON.stringify(row))).toBeLessThan(300_000)
  })
})

describe('metrics on the end of sessions', () => {
  it('count a session in the minute of its end, once the watermark has passed that', () => {
    const harness = new FoldHarness().define(endMetric())
    harness.frame(30, visit('a', 0), visit('b', 30))
    expect(harness.events('ended')).toEqual({})
    harness.frame(95, visit('x', 95, { key: 'other' }))
    expect(harness.events('ended')).toEqual({ 60: 1 })
    expect(harness.totals('ended')['60']).toMatchObject({ corrections: 0, n: 1 })
  })

  it('measure length and events, with the dimensions of the first event', () => {
    const harness = new FoldHarness()
      .define(endMetric({ measure: { kind: 'SUM', field: 'properties.seconds' }, dimensions: ['country'] }))
      .define(endMetric({ name: 'size', measure: { kind: 'SUM', field: 'properties.events' } }))
    harness.frame(40, visit('b', 30, { country: 'DE' }), visit('a', 0, { country: 'NL' }))
    harness.frame(95, visit('x', 95, { key: 'other' }))
    expect(harness.totals('ended')).toMatchObject({ '60 NL': { sum: 30, events: 1 } })
    expect(harness.totals('size')).toMatchObject({ 60: { sum: 2, events: 1 } })
  })

  it('a session that goes on after its end is taken back and counted at its new end', () => {
    const harness = new FoldHarness().define(endMetric())
    harness.frame(10, visit('a', 10))
    harness.frame(150, visit('x', 150, { key: 'other' }))
    expect(harness.events('ended')).toEqual({ 60: 1 })
    harness.frame(151, visit('b', 60))
    expect(harness.events('ended')).toEqual({ 60: 0, 120: 1 })
    expect(harness.totals('ended')).toMatchObject({ 60: { corrections: 1 }, 120: { corrections: 0 } })
  })

  it('quantiles of their length are taken back as well', () => {
    const harness = new FoldHarness().define(endMetric({ measure: { kind: 'QUANTILES', field: 'properties.seconds' } }))
    harness.frame(40, visit('a', 0, { weight: 3 }), visit('b', 40))
    harness.frame(150, visit('x', 150, { key: 'other' }))
    expect(harness.totals('ended')['60']).toMatchObject({ n: 2, buckets: [[bucketOf(40), 2]] })
    harness.frame(160, visit('c', 90), visit('y', 160, { key: 'other' }))
    const { events, n, shed, buckets } = harness.totals('ended')['60']
    expect([events, n, shed, buckets]).toEqual([0, undefined, undefined, undefined])
    expect(harness.totals('ended')['120'].buckets).toEqual([[bucketOf(90), expect.closeTo(5 / 3)]])
  })

  it('two sessions that become one are counted as one', () => {
    const harness = new FoldHarness().define(endMetric())
    harness.frame(100, visit('a', 0), visit('b', 100))
    harness.frame(400, visit('x', 400, { key: 'other' }))
    expect(harness.events('ended')).toEqual({ 60: 1, 120: 1 })
    harness.frame(401, visit('c', 50))
    expect(harness.events('ended')).toEqual({ 60: 0, 120: 1 })
  })

  it('a tick ends sessions as well', () => {
    const harness = new FoldHarness().define(endMetric())
    harness.frame(10, visit('a', 10))
    harness.control({ kind: 'tick', clocks: [{ tenant: 'main', source: 'live', watermark: at(70) }] })
    harness.seal()
    expect(harness.events('ended')).toEqual({ 60: 1 })
  })

  it('a metric that is defined later counts what ends after its place, and takes nothing back that it had not counted', () => {
    const harness = new FoldHarness().define(endMetric())
    harness.frame(10, visit('a', 10))
    harness.frame(150, visit('x', 150, { key: 'other' }))
    harness.define(endMetric({ version: 2 }))
    harness.frame(151, visit('b', 60))
    const rows = harness.sealed.flatMap(({ rows }) => rows).filter(({ version }) => version === 2)
    expect(rows.map(({ start, events }) => [start, events])).toEqual([[at(120), 1]])
  })
})

interface Step {
  time: number
  key: string
  restart: 'none' | 'merged' | 'segments'
}

/** Sessions by the plain rule: the times of a key in order, cut where the gap is longer. */
const clusters = (steps: readonly Step[]): { key: string; start: number; end: number; events: number }[] =>
  Object.entries(Object.groupBy(steps, ({ key }) => key)).flatMap(([key, all = []]) => {
    const found: { key: string; start: number; end: number; events: number }[] = []
    for (const { time } of all.toSorted((a, b) => a.time - b.time)) {
      const last = found.at(-1)
      if (last && time <= last.end) {
        last.end = time + GAP
        last.events++
      } else found.push({ key, start: time, end: time + GAP, events: 1 })
    }
    return found
  })

const steps = fc.array(
  fc.record({
    time: fc.integer({ min: 0, max: 590 }),
    key: fc.constantFrom('s', 't'),
    restart: fc.constantFrom('none' as const, 'merged' as const, 'segments' as const),
  }),
  { maxLength: 30 },
)

describe('in any order of arrival, with restarts between', () => {
  const run = (all: readonly Step[]): FoldHarness => {
    const harness = new FoldHarness().define(sessionMetric()).define(endMetric())
    for (const [i, { time, key, restart }] of all.entries()) {
      harness.append(time, { id: `e${i}`, time, key })
      if (restart === 'none') continue
      harness.seal()
      harness.restart({ merged: restart === 'merged' })
    }
    harness.seal()
    return harness
  }

  it('sessions are what the plain rule makes of all events', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const expected = clusters(all).map(({ key, start, end, events }) => [`${key} ${start}–${end}`, events])
        expect(eventsOf(run(all))).toEqual(Object.fromEntries(expected))
      }),
    )
  })

  it('those are counted whose end the watermark has passed, each in the minute of its end', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const harness = run(all)
        const counted: Record<string, number> = {}
        for (const { end } of clusters(all)) {
          const minute = Math.floor(end / 60) * 60
          if (end <= harness.watermark()) counted[minute] = (counted[minute] ?? 0) + 1
        }
        const events = Object.entries(harness.events('ended')).filter(([, count]) => count !== 0)
        expect(Object.fromEntries(events)).toEqual(counted)
      }),
    )
  })

  it('a restart changes no row of any checkpoint', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const sealedAlike = all.map((step) => ({
          ...step,
          restart: step.restart === 'none' ? ('merged' as const) : step.restart,
        }))
        const rowsOf = (harness: FoldHarness) => harness.sealed.map(({ rows, sessions }) => ({ rows, sessions }))
        const harness = new FoldHarness().define(sessionMetric()).define(endMetric())
        for (const [i, { time, key }] of all.entries()) {
          harness.append(time, { id: `e${i}`, time, key })
          harness.seal()
        }
        harness.seal()
        expect(rowsOf(harness)).toEqual(rowsOf(run(sealedAlike)))
      }),
    )
  })
})

it('a session with a large sketch stands for as many series as its row is large', () => {
  const uniques = metric({
    measure: { kind: 'UNIQUES', field: 'properties.page' },
    windows: [{ kind: 'SESSION', gapMs: GAP * 1_000 }],
  })
  const harness = new FoldHarness().define(uniques)
  const pages = Array.from({ length: 320 }, (_, i) => visit(`e${i}`, 1, { properties: { page: i } }))
  harness.frame(10, ...pages)
  harness.append(11, visit('one more', 2, { properties: { page: 'one more' } }))
  expect(harness.fold.pendingSeries).toBe(1 + 321 / 16 - (321 % 16) / 16)
})
