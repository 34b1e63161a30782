import { expect, test, vi } from 'vitest'
import { type Point, pointKey } from '#infra/testing/graphql.ts'
import { openStore, type Store } from '#infra/testing/store.ts'
import { subscribe } from '#infra/testing/subscriber.ts'
import { expectArchived } from './lib/archive.ts'
import { openGate } from './lib/gate.ts'
import { runImport } from './lib/import.ts'
import { createKiller, PROCESSES } from './lib/kills.ts'
import { expectSample, SAMPLE_EVENTS, watchSample } from './lib/sample.ts'
import { start } from './lib/start.ts'

const SEED = 20_150_517
const BATCH = 25
const KILLS_OF_EACH = 2

const SERIES = { name: 'page_views', window: 'PT1H' }
const STORED_SERIES = "SELECT window_start, dims, value, events FROM hourly_points WHERE metric = 'page_views'"

const storedSeries = async (store: Store) =>
  Object.fromEntries(
    (await store.sql(STORED_SERIES)).map(([windowStart, dimensions, value, events]) => [
      pointKey({ windowStart: windowStart as string, dimensions: dimensions as string[] }),
      [value, Number(events)],
    ]),
  )

const pushedSeries = (points: ReadonlyMap<string, Point>) =>
  Object.fromEntries([...points].map(([key, { value, events }]) => [key, [value, Number(events)]]))

test('whatever is killed during an import, nothing is lost, nothing counts twice, and subscriptions go on', async () => {
  await using product = await start({ flags: ['--archive-ms=300'] })
  await using store = await openStore(product)
  await using watch = await watchSample(product)
  await using series = await subscribe(product, SERIES)
  const killer = createKiller(product, SEED, KILLS_OF_EACH, SAMPLE_EVENTS / BATCH)
  await using gate = await openGate(product.endpoints.collector, killer.onRequest)

  const report = await runImport(product, [`--batch=${BATCH}`, `--url=${gate.url}`])
  expect(report).toMatchObject({ lines: SAMPLE_EVENTS, accepted: SAMPLE_EVENTS, verdicts: {} })
  expect(report.retries).toBeGreaterThan(0)
  expect(gate.lost()).toBeGreaterThan(0)
  expect(killer.failures).toEqual([])
  for (const name of PROCESSES) {
    expect(killer.done.filter((killed) => killed === name)).toHaveLength(KILLS_OF_EACH)
    expect(product.terminal().split(`${name} died (SIGKILL)`)).toHaveLength(KILLS_OF_EACH + 1)
    await product.shows(new RegExp(`${name} is back`))
  }

  await expectSample(product, watch, store, report.source)
  // What was sent again after it had been taken was found out, in spite of the kills between.
  const sentAgain = gate.lost() * BATCH
  await vi.waitFor(async () => expect((await store.totals()).duplicate).toBeGreaterThanOrEqual(sentAgain), {
    timeout: 30_000,
  })
  await expectArchived(product, SAMPLE_EVENTS)
  const stored = await storedSeries(store)
  await vi.waitFor(() => expect(pushedSeries(series.points)).toEqual(stored), { timeout: 30_000 })
  expect(series.connections()).toBeGreaterThan(1)
  // Every gateway that came knew what the cursor meant: nothing was sent twice, and no point went back.
  for (const { kinds, repeated, backwards } of [series, watch.views, watch.bytes, watch.users]) {
    expect({ snapshots: kinds.SNAPSHOT, resets: kinds.RESET, repeated, backwards }).toEqual({
      snapshots: 1,
      resets: 0,
      repeated: [],
      backwards: [],
    })
  }
})
