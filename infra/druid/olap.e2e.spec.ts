import { afterAll, afterEach, beforeAll, beforeEach, describe, expect } from 'vitest'
import type { OlapWriter } from '#processors/ports.ts'
import { deltasContract, storedDeltasContract } from '#processors/storage/deltas.contract.ts'
import { eventsContract } from '#processors/storage/events.contract.ts'
import { T0 } from '#processors/storage/fixtures.ts'
import { measuresContract } from '#processors/storage/measures.contract.ts'
import { sessionsContract } from '#processors/storage/sessions.contract.ts'
import { bucketOf, QUANTILES, type Quantiles } from '#schema/measures/quantiles.ts'
import type { WeightsBy } from '#schema/measures/tally.ts'
import { keptShare, type MeasureState, measureOf } from '#schema/measures.ts'
import type { MeasureSpec } from '#schema/metric.ts'
import { noDruid } from '../testing/druid.ts'
import { type DruidStore, startDruidStore } from './fixtures/druid-store.ts'
import { QUANTILES_K } from './sketches/quantiles.ts'

/** Of quantiles: how far the rank of an answer may be off, see sketches/quantiles.ts. */
const RANK_ERROR = 0.01

/** Changes of one window that a test makes at most: each rounds the weights in it to a whole number. */
const MOST_CHANGES = 24

const sumOf = (buckets: WeightsBy<number>, test: (bucket: number) => boolean): number =>
  [...buckets].reduce((total, [bucket, weight]) => (test(bucket) ? total + weight : total), 0)

const agreeOnQuantiles = (said: Quantiles, exact: Quantiles, buckets: WeightsBy<number>): void => {
  const all = sumOf(buckets, () => true)
  if (all < 2 * QUANTILES_K && [...buckets.values()].every(Number.isInteger)) {
    expect(said).toEqual(exact)
    return
  }
  const error = RANK_ERROR + MOST_CHANGES / all
  for (const name of Object.keys(QUANTILES) as (keyof Quantiles)[]) {
    const own = bucketOf(said[name])
    expect(sumOf(buckets, (bucket) => bucket < own) / all).toBeLessThanOrEqual(QUANTILES[name] + error)
    expect(sumOf(buckets, (bucket) => bucket <= own) / all).toBeGreaterThanOrEqual(QUANTILES[name] - error)
  }
}

const agree = (spec: MeasureSpec, state: MeasureState, expected: MeasureState): void => {
  const measure = measureOf(spec)
  expect(keptShare(state)).toBe(keptShare(expected))
  const [detail, wanted] = [measure.detail(state), measure.detail(expected)]
  if (spec.kind === 'UNIQUES') {
    // Two of a thousand members may look like one.
    expect(Math.abs((measure.value(state) ?? 0) - (measure.value(expected) ?? 0))).toBeLessThanOrEqual(1)
  } else if (spec.kind === 'QUANTILES' && wanted !== null) {
    agreeOnQuantiles(detail as Quantiles, wanted as Quantiles, expected.sketch!.buckets!)
  } else {
    expect(measure.value(state)).toEqual(measure.value(expected))
    expect(detail).toEqual(wanted)
  }
}

describe.skipIf(noDruid)('Druid as the OLAP store', () => {
  let store: DruidStore
  let olap: OlapWriter
  let remove: () => Promise<void>
  beforeAll(async () => {
    store = await startDruidStore()
  })
  afterAll(() => store?.[Symbol.asyncDispose]())
  beforeEach(async () => {
    ;({ olap, remove } = await store.open(() => T0))
  })
  afterEach(() => remove())

  deltasContract('Druid', () => olap)
  storedDeltasContract('Druid', () => olap)
  eventsContract('Druid', () => olap)
  measuresContract('Druid', () => olap, agree)
  sessionsContract('Druid', () => olap)
})
