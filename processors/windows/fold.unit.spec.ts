import { describe, expect, test } from 'vitest'
import { at, FoldHarness, metric } from './fold-harness.ts'

// Defaults of a tenant: out-of-orderness 5 s, horizon 600 s. Windows of 60 s. Times in seconds after 10:00:00.

describe('windows', () => {
  test('events out of order count in the windows of their own times', () => {
    const log = new FoldHarness().define(metric())
    log.frame(70, { id: 'a', time: 65 }, { id: 'b', time: 10 }, { id: 'c', time: 59 })
    expect(log.events()).toEqual({ '60': 1, '0': 2 })
  })

  test('an event exactly on a boundary belongs to the window that starts there', () => {
    const log = new FoldHarness().define(metric())
    log.frame(130, { id: 'a', time: 60 }, { id: 'b', time: 59.999 }, { id: 'c', time: 120 })
    expect(log.events()).toEqual({ '0': 1, '60': 1, '120': 1 })
  })

  test('one metric in two sizes counts each event in both', () => {
    const windows = [60_000, 3_600_000].map((sizeMs) => ({ kind: 'TUMBLING' as const, sizeMs }))
    const log = new FoldHarness().define(metric({ windows }))
    log.frame(200, { id: 'a', time: 10 }, { id: 'b', time: 130 })
    const rows = Object.values(log.totals())
    expect(rows.find(({ size }) => size === 3_600_000)?.events).toBe(2)
    expect(rows.filter(({ size }) => size === 60_000).map(({ start }) => start)).toEqual([at(120)])
  })
})

test('what a definition had counted since the last checkpoint is not lost when the next one replaces it', () => {
  const log = new FoldHarness().define(metric())
  log.frame(10, { id: 'a', time: 1 })
  log.append(11, { id: 'b', time: 2 })
  log.define(metric({ version: 2 }))
  log.append(12, { id: 'c', time: 3 })
  const rows = log.seal().rows.map(({ version, events }) => ({ version, events }))
  expect(rows).toEqual([
    { version: 1, events: 1 },
    { version: 2, events: 1 },
  ])
})

describe('watermark', () => {
  test('it is the newest event less 5 s, and moves at the end of a frame', () => {
    const log = new FoldHarness().define(metric())
    // Within one frame nothing is late, however far apart: the frame is judged by the watermark before it.
    expect(log.frame(10_000, { id: 'a', time: 9_000 }, { id: 'b', time: 1 })).toEqual(['C', 'C'])
    expect(log.watermark()).toBe(8_995)
  })

  test('an event from the future counts in its own window and pushes nobody', () => {
    const log = new FoldHarness().define(metric())
    log.frame(100, { id: 'future', time: 40_000 })
    expect(log.watermark()).toBe(95)
    expect(log.frame(101, { id: 'now', time: 100 })).toEqual(['C'])
    expect(log.events()).toEqual({ '39960': 1, '60': 1 })
  })

  test('it never goes back', () => {
    const log = new FoldHarness().define(metric())
    log.frame(100, { id: 'a', time: 100 })
    log.frame(101, { id: 'b', time: 50 })
    expect(log.watermark()).toBe(95)
  })

  test('a tick raises an idle clock and never lowers one', () => {
    const log = new FoldHarness().define(metric())
    log.frame(100, { id: 'a', time: 100 })
    log.control({ kind: 'tick', clocks: [{ tenant: 'main', source: 'live', watermark: at(300) }] })
    expect(log.watermark()).toBe(300)
    log.control({ kind: 'tick', clocks: [{ tenant: 'main', source: 'live', watermark: at(200) }] })
    expect(log.watermark()).toBe(300)
    expect(log.seal().clocks).toEqual([{ tenant: 'main', source: 'live', watermark: at(300), idle: true }])
    log.frame(310, { id: 'b', time: 310 })
    expect(log.sealed.at(-1)?.clocks).toEqual([{ tenant: 'main', source: 'live', watermark: at(305), idle: false }])
  })
})

describe('lateness', () => {
  test('within the horizon an event corrects its window, and the row says so', () => {
    const log = new FoldHarness().define(metric())
    log.frame(30, { id: 'a', time: 30 })
    log.frame(300, { id: 'b', time: 300 })
    expect(log.frame(301, { id: 'c', time: 31 })).toEqual(['C'])
    expect(log.totals()['0']).toMatchObject({ events: 2, corrections: 1, correctedAt: at(295) })
  })

  test('exactly at the horizon it counts, a millisecond beyond it is late', () => {
    const log = new FoldHarness().define(metric())
    log.frame(1_005, { id: 'a', time: 1_005 })
    expect(log.watermark()).toBe(1_000)
    expect(log.frame(1_006, { id: 'b', time: 400 }, { id: 'c', time: 399.999 })).toEqual(['C', 'L'])
    const [late] = log.sealed.at(-1)?.late ?? []
    expect(late).toMatchObject({ tenant: 'main', event: { code: 'LATE', index: 1, watermark: at(1_000) } })
    expect(log.events()).toEqual({ '960': 1, '360': 1 })
  })

  test('a tenant may set another horizon, from its place in the log on', () => {
    const log = new FoldHarness().define(metric())
    log.frame(1_005, { id: 'a', time: 1_005 })
    const settings = {
      kind: 'tenant',
      tenant: 'main',
      version: 1,
      latenessHorizonMs: 60_000,
      outOfOrdernessMs: 0,
    } as const
    log.control(settings)
    expect(log.frame(1_006, { id: 'b', time: 939 }, { id: 'c', time: 940 })).toEqual(['L', 'C'])
    expect(log.restart().frame(1_007, { id: 'd', time: 939 })).toEqual(['L'])
  })
})

describe('duplicates', () => {
  test('an identity counts once, within a frame and across frames', () => {
    const log = new FoldHarness().define(metric())
    expect(log.frame(10, { id: 'a', time: 1 }, { id: 'a', time: 1 })).toEqual(['C', 'D'])
    expect(log.frame(11, { id: 'a', time: 1 })).toEqual(['D'])
    expect(log.events()).toEqual({ '0': 1 })
  })

  test('a retry with another time is a duplicate as well', () => {
    const log = new FoldHarness().define(metric())
    log.frame(10, { id: 'a', time: 10 })
    expect(log.frame(200, { id: 'a', time: 200 })).toEqual(['D'])
  })

  test('the same id under another key, source or tenant is another event', () => {
    const log = new FoldHarness().define(metric()).define(metric(), 'other')
    const outcomes = log.frame(
      10,
      { id: 'a', time: 1 },
      { id: 'a', time: 1, key: 'k2' },
      { id: 'a', time: 1, source: 'import-1' },
      { id: 'a', time: 1, tenant: 'other' },
    )
    expect(outcomes).toEqual(['C', 'C', 'C', 'C'])
  })

  test('they are remembered across a restart, as are totals', () => {
    const log = new FoldHarness().define(metric({ measure: { kind: 'UNIQUES', field: 'sessionId' } }))
    log.frame(10, { id: 'a', time: 1, key: 'k1' })
    log.restart()
    expect(log.frame(11, { id: 'a', time: 1, key: 'k1' }, { id: 'b', time: 2, key: 'k1' })).toEqual(['D', 'C'])
    // The member was known: the delta repeats nothing.
    expect(log.sealed.at(-1)?.rows).toMatchObject([{ events: 1 }])
    expect(log.sealed.at(-1)?.rows[0].members).toBeUndefined()
    expect(log.totals()['0'].members).toHaveLength(1)
  })

  test.each([
    { kind: 'UNIQUES', field: 'properties.n' },
    { kind: 'QUANTILES', field: 'properties.n' },
    { kind: 'TOPK', field: 'properties.n' },
    { kind: 'SUM', field: 'properties.n' },
  ] as const)('a fold that is restarted goes on with the $kind that it had', (spec) => {
    /** Values that make each sketch do all it can. */
    const measured = (n: number): unknown => {
      if (spec.kind === 'UNIQUES') return n
      return spec.kind === 'TOPK' ? `${n % 11 === 0 ? 0 : n % 900} ${'x'.repeat(250)}` : (n % 40) + 0.1
    }
    const through = new FoldHarness().define(metric({ measure: spec }))
    const restarted = new FoldHarness().define(metric({ measure: spec }))
    for (let second = 0; second < 6; second++) {
      const events = Array.from({ length: 700 }, (_, i) => ({
        id: `${second} ${i}`,
        time: second,
        weight: i % 3 === 0 ? 1 / 0.3 : 1,
        properties: { n: measured(second * 700 + i) },
      }))
      for (const log of [through, restarted]) log.frame(second, ...events)
      restarted.restart()
    }
    expect(restarted.sealed.map(({ rows }) => rows)).toEqual(through.sealed.map(({ rows }) => rows))
    expect(restarted.totals()['0']).toMatchObject({ events: 4_200 })
  })

  test('an identity is forgotten only when its events would be late', () => {
    const log = new FoldHarness().define(metric())
    log.frame(60, { id: 'a', time: 60 })
    log.frame(665, { id: 'x', time: 665 })
    expect(log.frame(666, { id: 'a', time: 60 })).toEqual(['D'])
    log.frame(800, { id: 'y', time: 800 })
    expect(log.frame(801, { id: 'a', time: 60 })).toEqual(['L'])
  })
})

describe('sources and tenants', () => {
  test('an import of old events beside live traffic is not late', () => {
    const log = new FoldHarness().define(metric())
    log.frame(100_000, { id: 'a', time: 100_000 })
    expect(log.frame(100_001, { id: 'b', time: 5, source: 'import-1' })).toEqual(['C'])
    expect(log.frame(100_002, { id: 'c', time: 5 })).toEqual(['L'])
    expect(log.watermark('main', 'import-1')).toBe(0)
    expect(log.watermark('main', 'live')).toBe(99_995)
  })

  test("one tenant's clock does not make another's events late", () => {
    const log = new FoldHarness().define(metric()).define(metric(), 'other')
    log.frame(100_000, { id: 'a', time: 100_000 })
    expect(log.frame(100_001, { id: 'b', time: 5, tenant: 'other' })).toEqual(['C'])
    expect(log.events('views', 'other')).toEqual({ '0': 1 })
    expect(log.events()).toEqual({ '99960': 1 })
  })
})

describe('definitions', () => {
  test('a metric counts from its place in the log on', () => {
    const log = new FoldHarness()
    log.frame(1, { id: 'a', time: 1 })
    log.define(metric())
    log.frame(2, { id: 'b', time: 2 })
    expect(log.events()).toEqual({ '0': 1 })
  })

  test('it stays in force after a restart', () => {
    const log = new FoldHarness().define(metric())
    log.seal()
    log.restart().frame(2, { id: 'b', time: 2 })
    expect(log.events()).toEqual({ '0': 1 })
  })

  test('an older version and a repetition change nothing; a deletion ends it', () => {
    const log = new FoldHarness().define(metric({ version: 2 }))
    log.frame(1, { id: 'a', time: 1 })
    log.define(metric({ version: 1, event: 'nothing' })).define(metric({ version: 2 }))
    log.frame(2, { id: 'b', time: 2 })
    log.control({ kind: 'deleteMetric', tenant: 'main', name: 'views', version: 3 })
    log.frame(3, { id: 'c', time: 3 })
    expect(log.events()).toEqual({ '0': 2 })
    expect(log.sealed.flatMap(({ definitions }) => definitions).map(({ deleted }) => deleted)).toEqual([false, true])
  })

  test('conditions and dimensions choose and split the events', () => {
    const where = [{ field: 'properties.status', op: 'GE' as const, value: 400 }]
    const log = new FoldHarness().define(metric({ where, dimensions: ['country', 'properties.path'] }))
    log.frame(
      1,
      { id: 'a', time: 1, country: 'DE', properties: { status: 404, path: '/x' } },
      { id: 'b', time: 1, country: 'DE', properties: { status: 200, path: '/x' } },
      { id: 'c', time: 1, properties: { status: 500 } },
    )
    expect(Object.values(log.totals()).map(({ dims, events }) => [dims, events])).toEqual([
      [['DE', '/x'], 1],
      [[null, null], 1],
    ])
  })
})

describe('measures', () => {
  const amounts = [5, 1, 3].map((amount, i) => ({ id: `${i}`, time: i, properties: { amount } }))
  const odd = [
    { id: 'x', time: 3, properties: { amount: 'much' } },
    { id: 'y', time: 4 },
  ]
  const field = 'properties.amount'
  test.each([
    ['COUNT', undefined, { n: 5 }],
    ['SUM', field, { n: 3, sum: 9 }],
    ['AVG', field, { n: 3, sum: 9 }],
    ['MIN', field, { n: 3, min: 1 }],
    ['MAX', field, { n: 3, max: 5 }],
  ] as const)('%s measures what is a number and leaves the rest out', (kind, of, expected) => {
    const log = new FoldHarness().define(metric({ measure: { kind, ...(of ? { field: of } : {}) } }))
    log.frame(10, ...amounts, ...odd)
    expect(log.totals()['0']).toMatchObject({ events: 5, ...expected })
  })
})

describe('markers', () => {
  const marker = (number: number) => ({ gateway: 'g', number, sentAt: at(9_000) })
  const numbers = (log: FoldHarness) => log.sealed.map(({ markers }) => markers.map(({ number }) => number))

  test('they are settled with the checkpoint that reads them, and change nothing else', () => {
    const [plain, marked] = [new FoldHarness(), new FoldHarness()].map((log) => log.define(metric()))
    for (const [log, markers] of [
      [plain, []],
      [marked, [1, 2]],
    ] as const) {
      log.frame(100, { id: 'a', time: 95 })
      for (const number of markers) log.control({ kind: 'marker', ...marker(number) })
      log.frame(200, { id: 'a', time: 95 }, { id: 'b', time: 130 })
    }
    expect(numbers(marked)).toEqual([[], [1, 2]])
    const [withMarkers, without] = [marked, plain].map(({ sealed }) =>
      sealed.map(({ from: _from, to: _to, outcomes, markers: _markers, ...rest }) => ({
        ...rest,
        outcomes: Object.values(outcomes),
      })),
    )
    expect(withMarkers).toEqual(without)
    expect(marked.fold.pendingEvents).toBe(0)
  })

  test('a checkpoint after a long outage tells the newest of them', () => {
    const log = new FoldHarness()
    for (let number = 1; number <= 1_000; number++) log.control({ kind: 'marker', ...marker(number) })
    log.seal()
    expect(numbers(log)[0]).toHaveLength(200)
    expect(numbers(log)[0].at(-1)).toBe(1_000)
  })
})

describe('what cannot be read', () => {
  test('a broken line is settled as invalid, and the events beside it count', () => {
    const log = new FoldHarness().define(metric())
    log.frame(1, { id: 'a', time: 1 })
    expect(log.raw(2, '{"tenant":"main"\n{"tenant":"main"}')).toEqual(['I', 'I'])
    expect(log.sealed.at(-1)?.late.map(({ event }) => event.raw)).toEqual(['{"tenant":"main"', '{"tenant":"main"}'])
    expect(log.frame(3, { id: 'b', time: 3 })).toEqual(['C'])
  })
})
