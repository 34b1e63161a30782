import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { aggregateRow, HOUR, MINUTE, sessionRow, T0 } from '#processors/storage/fixtures.ts'
import { type OutputRow, type Settlement, STATE_FORMAT } from '#schema/checkpoint.ts'
import { deltasOf, MEASURE_CASES, merged, streams } from '#schema/measures/testing.ts'
import { type MeasureJson, measureOf } from '#schema/measures.ts'
import { HEADERS } from '#schema/subjects.ts'
import { fromParts } from './exact-parts.ts'
import { druidLines } from './rows.ts'
import { decodeHll } from './sketches/hll.ts'
import { decodeQuantiles } from './sketches/quantiles.ts'

const encoder = new TextEncoder()
const message = (subject: string, text: string, checkpoint = 7) => ({
  subject,
  data: encoder.encode(text),
  header: (name: string) => (name === HEADERS.checkpoint ? String(checkpoint) : ''),
})
type Row = Record<string, unknown>
const render = (...rows: unknown[]): Row[] =>
  druidLines(message('aggregates.main.page_views.3', rows.map((row) => `${JSON.stringify(row)}\n`).join(''))).map(
    (line) => JSON.parse(line) as Row,
  )

describe('a change of a slice', () => {
  it('is a flat row of the table of its size', () => {
    const rows = render(
      aggregateRow({
        dims: ['NL', null],
        sum: 1.5,
        comp: 1e-20,
        min: -1,
        max: 4,
        shed: 2,
        corrections: 1,
        correctedAt: T0,
      }),
      aggregateRow({ size: HOUR, n: undefined }),
    )
    const place = { partition: 3, checkpoint: 7, start: T0, tenant: 'main', metric: 'page_views', version: 1 }
    expect(rows).toEqual([
      {
        ...place,
        table: 'minly',
        end: T0 + MINUTE,
        size: MINUTE,
        dims: '["NL",null]',
        d1: 'NL',
        ...{ events: 1, corrections: 1, corrected_at: T0, revisions: 1 },
        ...{ count: 1, shed: 2, sum: 1.5, sum_low: 1, sum_part: 0.5, min: -1, max: 4 },
      },
      {
        ...{ ...place, table: 'hourly', end: T0 + HOUR, size: HOUR, dims: '["NL"]', d1: 'NL' },
        ...{ events: 1, corrections: 0, revisions: 1 },
      },
    ])
  })

  it('has a line for each value of topK, which counts nothing else', () => {
    const [row, ...values] = render(
      aggregateRow({
        items: [
          ['/a', 2],
          ['/b', -1],
        ],
        error: 3,
      }),
    )
    expect(row).toMatchObject({ events: 1, count: 1, error: 3 })
    expect(row).not.toHaveProperty('item')
    const counted = ['events', 'corrections', 'revisions', 'count', 'error', 'sum']
    expect(values.map(({ item, item_count }) => [item, item_count])).toEqual([
      ['/a', 2],
      ['/b', -1],
    ])
    for (const value of values) {
      expect(value).toMatchObject({ table: 'minly', start: T0, dims: '["NL"]', size: MINUTE })
      for (const field of counted) expect(value).not.toHaveProperty(field)
    }
  })

  it('tells what was measured from what of it is taken back', () => {
    const [row] = render(
      aggregateRow({
        buckets: [
          [9, 3],
          [4, -2],
        ],
      }),
    )
    expect([...decodeQuantiles(row.quantiles as string)]).toEqual([[9, 3]])
    expect([...decodeQuantiles(row.quantiles_taken as string)]).toEqual([[4, 2]])
  })

  it('has text that every store can hold', () => {
    const [row, value] = render(aggregateRow({ dims: ['a\ud83d', '', '\u0000"'], items: [['\udc00', 1]] }))
    expect([row.dims, row.d1, row.d2, row.d3, value.item]).toEqual([
      JSON.stringify(['a\ufffd', '', '\u0000"']),
      'a\ufffd',
      '',
      '\u0000"',
      '\ufffd',
    ])
  })
})

describe('a session', () => {
  it('is a row with its revision', () => {
    const { start, end, gap } = sessionRow()
    const expected = {
      ...{
        table: 'session',
        partition: 3,
        checkpoint: 7,
        start,
        end,
        gap,
        tenant: 'main',
        metric: 'page_views',
        version: 1,
      },
      ...{ source: 'live', session: 's', dims: '["NL"]', d1: 'NL', events: 1, corrections: 0, revisions: 1, count: 1 },
    }
    const retracted = { ...sessionRow({ revision: 4, ended: 9 }), retracted: true }
    expect(render(sessionRow(), retracted)).toEqual([
      { ...expected, revision: 1, retracted: 0 },
      { ...expected, revision: 4, retracted: 1, ended: 9 },
    ])
  })
})

describe('a settlement', () => {
  const settled = (fields: Partial<Settlement> = {}) =>
    message('settled.3', JSON.stringify({ format: STATE_FORMAT, partition: 3, checkpoint: 12, at: T0 + 1, ...fields }))

  it('is a row of the position, in its hour', () => {
    const row = { table: 'position', partition: 3, checkpoint: 12, start: T0, position_of: 3, position: 12 }
    expect(druidLines(settled())).toEqual([JSON.stringify(row)])
  })

  it('of a newer format stops whoever reads it', () => {
    expect(() => druidLines(settled({ format: STATE_FORMAT + 1 }))).toThrow('partition 3: checkpoint 12 has format')
  })
})

it('gives nothing for other messages', () => {
  expect(druidLines(message('late_events.main.3', '{}'))).toEqual([])
})

describe('what Druid could not hold', () => {
  it.each<[string, object]>([
    ['start', { start: 1e300 }],
    ['start', { start: -1 }],
    ['size', { size: 0 }],
    ['n', { n: null }],
    ['n', { n: '1' }],
    ['events', { events: 0.5 }],
    ['dims', { dims: [1] }],
    ['dims', { dims: 'NL' }],
    ['members', { members: [-1] }],
    ['members', { members: 'x' }],
    ['registers', { registers: [64] }],
    ['registers', { registers: [41] }],
    ['buckets', { buckets: [[1, 1e300]] }],
    ['buckets', { buckets: [[1]] }],
    ['items', { items: [[1, 1]] }],
    ['metric', { metric: {} }],
    ['correctedAt', { correctedAt: 0.5 }],
  ])('is a line of no table that names %s, and what stands beside it comes (%j)', (reason, fields) => {
    const rows = render({ ...aggregateRow(), ...fields }, aggregateRow())
    expect(rows[0]).toEqual({ table: 'refused', partition: 3, checkpoint: 7, reason })
    expect(rows[1].table).toBe('minly')
  })

  it.each(['{', '1e999', '[]', 'null', '{"tenant":"main","sum":1e999}'])('is %s', (text) => {
    expect(JSON.parse(druidLines(message('aggregates.main.page_views.3', text))[0])).toMatchObject({ table: 'refused' })
  })
})

const TEXT = [
  'table',
  'tenant',
  'metric',
  'source',
  'session',
  'dims',
  'd1',
  'd2',
  'd3',
  'd4',
  'd5',
  'd6',
  'item',
  'reason',
]
const SKETCHES: Record<string, (base64: string) => unknown> = {
  uniques: decodeHll,
  quantiles: decodeQuantiles,
  quantiles_taken: decodeQuantiles,
}

/** What Druid's parsers and aggregators take: texts, finite numbers, sketches of their kind. */
const checkTypes = (row: Row): void => {
  for (const [field, value] of Object.entries(row)) {
    if (field in SKETCHES) SKETCHES[field](value as string)
    else if (TEXT.includes(field)) expect(typeof value).toBe('string')
    else expect(Number.isFinite(value)).toBe(true)
  }
}

/** What the lines of one change say of its measure. */
const stateIn = ([main, ...values]: Row[]): MeasureJson => {
  const { count, shed, sum_high, sum_low, sum_part, min, max, uniques, quantiles, error } = main as Record<
    string,
    never
  >
  const sum = fromParts({ high: sum_high ?? 0, low: sum_low ?? 0, part: sum_part ?? 0 })
  return {
    ...{ n: count, shed, ...sum, min, max, error },
    ...(uniques ? decodeHll(uniques) : {}),
    buckets: quantiles && [...decodeQuantiles(quantiles)],
    items: values.length > 0 ? values.map(({ item, item_count }) => [item as string, item_count as number]) : undefined,
  }
}

describe('whatever an output holds', () => {
  it('Druid can take each line', () => {
    const anything = fc.array(fc.anything({ withNullPrototype: false }), { maxLength: 3 })
    const field = fc.constantFrom(
      ...Object.keys({
        ...aggregateRow(),
        ...sessionRow(),
        size: 0,
        members: 0,
        registers: 0,
        buckets: 0,
        items: 0,
        error: 0,
        sum: 0,
        min: 0,
      }),
    )
    const kinds: (() => OutputRow)[] = [aggregateRow, sessionRow]
    const wrong = fc.tuple(fc.constantFrom(...kinds), fc.dictionary(field, fc.oneof(fc.anything(), anything)))
    fc.assert(
      fc.property(wrong, ([row, fields]) => {
        for (const one of render({ ...row(), ...fields })) checkTypes(one)
      }),
      { numRuns: 500 },
    )
  })

  it.each(MEASURE_CASES)('%j: what the lines hold comes to what was measured', (spec, value, most) => {
    const measure = measureOf(spec)
    const check = (partitions: Parameters<typeof deltasOf>[1][]): void => {
      const deltas = partitions.flatMap((stream) => deltasOf(measure, stream))
      const rows = deltas.map((delta) => render(aggregateRow({ n: undefined, ...delta })))
      for (const row of rows.flat()) checkTypes(row)
      const [state, expected] = [merged(rows.map(stateIn)), merged(deltas)]
      expect([state.n, state.shed, state.range]).toEqual([expected.n, expected.shed, expected.range])
      if (spec.kind === 'TOPK') expect(measure.detail(state)).toEqual(measure.detail(expected))
      // Two of a thousand members may look like one.
      else if (spec.kind === 'UNIQUES') {
        expect(Math.abs((measure.value(state) ?? 0) - (measure.value(expected) ?? 0))).toBeLessThanOrEqual(1)
      } else expect(measure.value(state)).toEqual(measure.value(expected))
    }
    fc.assert(fc.property(streams(value, most), check), { numRuns: 10, endOnFailure: true })
  })
})
