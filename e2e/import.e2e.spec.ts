import { expect, test, vi } from 'vitest'
import { ask } from '#infra/testing/graphql.ts'
import { openStore } from '#infra/testing/store.ts'
import { runImport } from './lib/import.ts'
import { expectSample, SAMPLE_EVENTS, valuesOf, watchSample } from './lib/sample.ts'
import { start } from './lib/start.ts'

const ALL_ACCEPTED = { lines: SAMPLE_EVENTS, accepted: SAMPLE_EVENTS, rejected: 0, verdicts: {} }

test('an import is the same in live points, queries and SQL; a second one shows as duplicates and changes nothing', async () => {
  await using product = await start()
  await using store = await openStore(product)
  await using watch = await watchSample(product)

  const first = await runImport(product)
  expect(first).toMatchObject(ALL_ACCEPTED)
  await expectSample(product, watch, store, first.source)
  expect(await store.totals()).toEqual({ stored: SAMPLE_EVENTS, late: 0, duplicate: 0, invalid: 0 })
  const { deadLetters } = await ask<{ deadLetters: { total: string } }>(product, '{ deadLetters { total } }')
  expect(deadLetters.total).toBe('0')
  const before = [watch.views, watch.bytes, watch.users].map(({ points }) => valuesOf(points.values()))

  const second = await runImport(product)
  expect(second).toMatchObject({ ...ALL_ACCEPTED, source: first.source })
  await vi.waitFor(
    async () =>
      expect(await store.totals()).toEqual({
        stored: SAMPLE_EVENTS,
        late: 0,
        duplicate: SAMPLE_EVENTS,
        invalid: 0,
      }),
    { timeout: 60_000 },
  )
  await expectSample(product, watch, store, first.source)
  expect([watch.views, watch.bytes, watch.users].map(({ points }) => valuesOf(points.values()))).toEqual(before)
})

test('an import beside live traffic has the same numbers', async () => {
  await using product = await start({ flags: ['--demo'] })
  await using store = await openStore(product)
  await using watch = await watchSample(product)
  const report = await runImport(product)
  expect(report).toMatchObject(ALL_ACCEPTED)
  await expectSample(product, watch, store, report.source)
  const [[live]] = await store.sql("SELECT count(*) FROM raw_events WHERE source = 'live'")
  expect(live).toBeGreaterThan(0)
})
