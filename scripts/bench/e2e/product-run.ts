import { connectNats } from '#infra/nats/connect.ts'
import { createOlapClient } from '#infra/nats/olap-client.ts'
import { startProduct, type TestProduct } from '#infra/testing/product.ts'
import { measurePlain, type Plain } from '../plain/plain.ts'
import { takeCensuses } from './census.ts'
import { defineMetrics } from './definitions.ts'
import { createProfiles } from './profiles.ts'
import { type Result, resultOf, type Windows } from './result.ts'
import { type Arena, runTrial, type Trial, type TrialOptions } from './trial.ts'

export interface Setup extends TrialOptions {
  /** Of npm start. */
  flags: readonly string[]
  /** Folder of CPU profiles. */
  profile?: string
  /** Of load on the plain way; 0: none. */
  plainSeconds: number
}

export interface ProductRun {
  trial: Trial
  result: Result
}

/** Windows of the metric that takes every event, and rows: what counted is stored, and the other way round. */
const compareWindows = async ({ olap }: Arena): Promise<Windows> => {
  const { rows } = await olap.sql(`SELECT
    (SELECT coalesce(sum(events), 0)::BIGINT FROM minly_aggs WHERE metric = 'events'),
    (SELECT count(*) FROM raw_events)`)
  const [[inWindows, inRows]] = rows
  return { inWindows: Number(inWindows), inRows: Number(inRows) }
}

const openArena = async (product: TestProduct): Promise<Arena & AsyncDisposable> => {
  const nats = await connectNats(product.endpoints.nats, 'millrace bench')
  const olap = createOlapClient(nats)
  await defineMetrics(product)
  const partitions = (await olap.positions()).length
  return { product, olap, partitions, [Symbol.asyncDispose]: () => nats.close() }
}

const measure = async (product: TestProduct, setup: Setup, say: (line: string) => void) => {
  await using arena = await openArena(product)
  const trial = await runTrial(arena, setup, say)
  const windows = await compareWindows(arena)
  let plain: Plain | null = null
  if (setup.plainSeconds > 0) {
    say('the plain way, on the same nats-server')
    const nats = { url: product.endpoints.nats, pid: product.pids()['nats-server'] }
    const { batch, plainSeconds: seconds } = setup
    plain = await measurePlain({ nats, batch, seconds })
  }
  return { trial, windows, plain }
}

/** Starts a product, loads it, and holds what is left of it against what was acknowledged. */
export const runOnProduct = async (setup: Setup, say: (line: string) => void): Promise<ProductRun> => {
  const { flags, profile, rate, seconds } = setup
  const profiles = createProfiles(profile)
  say(`starting the product; ${rate.toLocaleString('en-US')} events a second for ${seconds} s`)
  await using product = await startProduct({ flags: [...flags], env: profiles.env })
  const measured = await measure(product, setup, say)
  say('stopping, and comparing acknowledged ids with the store and the archive')
  const pids = product.pids()
  await product.stop()
  await profiles.name(pids)
  const { olap, archive } = await takeCensuses(product.dataDir, measured.trial.acknowledged)
  return { trial: measured.trial, result: resultOf({ ...measured, olap, archive }) }
}
