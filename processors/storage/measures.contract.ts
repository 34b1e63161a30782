import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { OlapWriter } from '#processors/ports.ts'
import type { AggregateRow } from '#schema/checkpoint.ts'
import { deltasOf, MEASURE_CASES, merged, stateOf, streams, type Weighed } from '#schema/measures/testing.ts'
import { keptShare, type MeasureState, measureOf, stateFromJson, stateToJson } from '#schema/measures.ts'
import type { MeasureSpec } from '#schema/metric.ts'
import { aggregateRow, definitionState, MINUTE, olapPart, sessionRow, T0 } from './fixtures.ts'

/** What a point says of its state. */
const said = (spec: MeasureSpec, state: MeasureState): unknown[] => {
  const measure = measureOf(spec)
  return [measure.value(state), measure.detail(state), keptShare(state)]
}

/** Windows, one a minute from T0, as the deltas that two partitions make of them, and what they come to. */
const deltasOfWindows = (spec: MeasureSpec, windows: readonly Weighed[][][][]) => {
  const rows: AggregateRow[][] = [[], []]
  const expected = windows.map((partitions, i) => {
    const deltas = partitions.map((stream) => deltasOf(measureOf(spec), stream))
    for (const [p, ofPartition] of deltas.entries()) {
      const start = T0 + i * MINUTE
      rows[p % 2].push(...ofPartition.map((delta) => aggregateRow({ start, n: undefined, ...delta })))
    }
    return merged(deltas.flat())
  })
  return { rows, expected }
}

/** Writes half of the rows, or the other half. */
const writeHalf = (olap: OlapWriter, spec: MeasureSpec, rows: AggregateRow[][], half: 0 | 1): Promise<void> => {
  const state = definitionState('page_views', spec.kind)
  const definitions = [{ ...state, definition: { ...state.definition, measure: spec } }]
  const parts = rows.map((all, partition) => {
    const aggregates = all.filter((_, i) => i % 2 === half)
    return olapPart(half + 1, { partition, aggregates, definitions })
  })
  return olap.write({ parts })
}

const manyWindows = (value: fc.Arbitrary<unknown>, most: number): fc.Arbitrary<Weighed[][][][]> =>
  fc.array(streams(value, most), { minLength: 15, maxLength: 15 })
/** One store, one run: a smaller failure would have to be looked for in another store. */
const ONCE = { numRuns: 1, endOnFailure: true }

/** Whether what a point says is what it should say; throws. */
type Agree = (spec: MeasureSpec, state: MeasureState, expected: MeasureState) => void
const exactly: Agree = (spec, state, expected) => expect(said(spec, state)).toEqual(said(spec, expected))

/**
 * What every OLAP store must do with the states of measures, the one in memory included. `agree`: of a store that says
 * how far off it may be.
 */
export const measuresContract = (name: string, olap: () => OlapWriter, agree = exactly): void => {
  describe.each(MEASURE_CASES)(`${name}: merges %j`, (spec, value, most) => {
    it('to what its deltas come to', async () => {
      const check = async (windows: Weighed[][][][]): Promise<void> => {
        const { rows, expected } = deltasOfWindows(spec, windows)
        for (const half of [0, 1] as const) await writeHalf(olap(), spec, rows, half)
        const query = { tenant: 'main', metric: 'page_views', version: 1, size: MINUTE, from: T0, to: 2 * T0 }
        const answer = await olap().aggregates(query)
        expect(answer.rows).toHaveLength(expected.length)
        expect(await olap().aggregates({ ...query, measure: spec.kind })).toEqual(answer)
        for (const [i, row] of answer.rows.entries()) agree(spec, stateFromJson(row), expected[i])
      }
      await fc.assert(fc.asyncProperty(manyWindows(value, most), check), ONCE)
    })
  })
}

/** SQL answers JSON as text. */
const readDetail = ([value, detail, sampled]: unknown[]): unknown[] => [
  value,
  JSON.parse((detail as string | null) ?? 'null'),
  sampled,
]

/** What a store that answers SQL does beyond that, before and after upkeep. */
export const measureViewsContract = (name: string, olap: () => OlapWriter): void => {
  const points = async (): Promise<unknown[][]> => {
    const { rows } = await olap().sql('SELECT value, detail, sampled FROM minly_points ORDER BY window_start')
    return rows.map(readDetail)
  }
  const checkViews = async (spec: MeasureSpec, windows: readonly Weighed[][][][]): Promise<void> => {
    const { rows, expected: states } = deltasOfWindows(spec, windows)
    const expected = states.map((state) => said(spec, state))
    await writeHalf(olap(), spec, rows, 0)
    await olap().maintain(T0)
    await writeHalf(olap(), spec, rows, 1)
    expect(await points()).toEqual(expected)
    await olap().maintain(T0)
    expect(await points()).toEqual(expected)
  }
  const weighed = (values: readonly unknown[]): Weighed[] => values.map((value) => ({ value, weight: 1 }))

  describe.each(MEASURE_CASES)(`${name}: shows %j`, (spec, value, most) => {
    it('as GraphQL does', async () => {
      const check = (windows: Weighed[][][][]): Promise<void> => checkViews(spec, windows)
      await fc.assert(fc.asyncProperty(manyWindows(value, most), check), ONCE)
    })
  })

  describe(`${name}: shows`, () => {
    it('uniques that are very many, in both partitions or in one', async () => {
      const members = Array.from({ length: 30_000 }, (_, i) => `member ${i}`)
      await checkViews({ kind: 'UNIQUES', field: 'a' }, [
        [[weighed(members.slice(0, 900)), weighed(members)], [weighed(members.slice(20_000))]],
        [[weighed(members.slice(0, 600))], [weighed(members.slice(500, 1_001))]],
        [[weighed(members.slice(0, 600))], [weighed(members.slice(500, 1_000))]],
      ])
    })

    it('the same of sessions', async () => {
      const specs: MeasureSpec[] = (['UNIQUES', 'QUANTILES', 'TOPK', 'SUM'] as const).map((kind) => ({
        kind,
        field: 'a',
      }))
      const values = Array.from({ length: 2_000 }, (_, i) => (i % 1_500) / 10)
      const expected = specs.map((spec) => said(spec, stateOf(measureOf(spec), values)))
      const sessions = specs.map((spec) => {
        const { n, ...state } = stateToJson(stateOf(measureOf(spec), values))
        return sessionRow({ metric: spec.kind.toLowerCase(), events: n, n, ...state })
      })
      const definitions = specs.map(({ kind }) => definitionState(kind.toLowerCase(), kind))
      await olap().write({ parts: [olapPart(1, { sessions, definitions })] })
      const { rows } = await olap().sql(`SELECT value, detail, sampled FROM session_points
        ORDER BY list_position(['uniques', 'quantiles', 'topk', 'sum'], metric)`)
      expect(rows.map(readDetail)).toEqual(expected)
    })

    it('quantiles of few values, where the rank is a whole number or just not', async () => {
      const windows = Array.from({ length: 21 }, (_, most) => {
        const values = Array.from({ length: most + 1 }, (__, i) => (i - 3) ** 3)
        return [[weighed(values.slice(0, 5)), weighed(values.slice(5))]]
      })
      await checkViews({ kind: 'QUANTILES', field: 'a' }, windows)
    })
  })
}
