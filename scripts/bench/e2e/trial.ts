import { setTimeout as delay } from 'node:timers/promises'
import type { TestProduct } from '#infra/testing/product.ts'
import type { OlapReader } from '#schema/olap.ts'
import { Bits } from '../load/bits.ts'
import type { LoadSecond } from '../load/generator.ts'
import { type LoadResult, startLoad } from '../load/load-process.ts'
import type { Protocol } from '../load/protocol.ts'
import type { Burst } from '../load/schedule.ts'
import { type Books, isDrained, readBooks } from './books.ts'
import { openDashboards } from './dashboards.ts'
import { type Markers, startMarkers } from './markers.ts'
import { createUsageReader } from './processes.ts'
import { type Sample, type Sampler, startSampler } from './sampler.ts'
import { createStageReader } from './stages.ts'

export interface TrialOptions {
  protocol: Protocol
  /** Events of a request. */
  batch: number
  connections: number
  /** Events a second. */
  rate: number
  /** At the same rate, before anything is measured. */
  warmUpSeconds: number
  seconds: number
  /** In the measured time. */
  bursts: readonly Burst[]
  markersPerSecond: number
  /** Longest time in which nothing more is settled, stored or archived while that is awaited. */
  drainMs: number
}

/** A product that takes load. */
export interface Arena {
  product: TestProduct
  olap: Pick<OlapReader, 'sql'>
  partitions: number
}

/** What was seen of one load, from its begin until everything that came of it was stored and archived. */
export interface Trial {
  options: TrialOptions
  load: Omit<LoadResult, 'acknowledged'>
  acknowledged: Bits
  loadSeconds: LoadSecond[]
  markers: Pick<Markers, 'pushed' | 'stored' | 'counts'>
  /** Markers that were acknowledged and not seen in time. */
  unseen: { pushes: number; rows: number }
  samples: readonly Sample[]
  /** The first is of the begin of the measured time, the second of its end, the third of the end of draining. */
  begin: Sample
  end: Sample
  drained: Sample
  /** As drained; null when that took too long. */
  books: Books | null
  dashboards: { dashboards: number; updates: number; bytes: number }
}

const MARKERS_LATE_MS = 60_000
const LOOK_MS = 250
/** The ledger is a question to the store, whose processor time is being measured. */
const BOOKS_MS = 2_000

const addressOf = ({ endpoints }: TestProduct, protocol: Protocol): string => {
  if (protocol === 'grpc') return endpoints.grpc
  return protocol === 'ndjson' ? endpoints.collector : endpoints.graphql
}

const waitFor = async (limitMs: number, isThere: () => boolean): Promise<void> => {
  const end = performance.now() + limitMs
  while (!isThere() && performance.now() < end) await delay(LOOK_MS)
}

/** What was sent counts, is stored and archived: waits as long as there is progress. Null where there is none. */
const drain = async ({ product }: Arena, fromMs: number, untilMs: number, quietMs: number): Promise<Books | null> => {
  let progress = ''
  let since = performance.now()
  while (performance.now() - since < quietMs) {
    const books = await readBooks(product, fromMs).catch(() => null)
    if (books !== null && isDrained(books, untilMs)) return books
    const now = JSON.stringify([books?.counted, books?.stored, books?.archived])
    if (books !== null && now !== progress) {
      progress = now
      since = performance.now()
    }
    await delay(BOOKS_MS)
  }
  return null
}

/** The measured time, with what is looked at in it. */
const measure = async (startedAt: number, seconds: number, sampler: Sampler): Promise<[Sample, Sample]> => {
  await delay(Math.max(0, startedAt - performance.now()))
  const begin = await sampler.look()
  await delay(Math.max(0, startedAt + 1_000 * seconds - performance.now()))
  return [begin, await sampler.look()]
}

/** One load on a running product, with dashboards open and markers under way. */
export const runTrial = async (arena: Arena, options: TrialOptions, say: (line: string) => void): Promise<Trial> => {
  const { product } = arena
  const { warmUpSeconds, seconds, markersPerSecond, drainMs, bursts } = options
  await using load = await startLoad({
    ...options,
    address: addressOf(product, options.protocol),
    writeKey: product.keys.writeKey,
    seconds: warmUpSeconds + seconds,
    bursts: bursts.map((burst) => ({ ...burst, atSeconds: burst.atSeconds + warmUpSeconds })),
  })
  const readUsage = createUsageReader(() => ({
    ...product.pids(),
    supervisor: product.pid,
    generator: load.pid,
    observer: process.pid,
  }))
  const readStages = createStageReader(product)
  const dashboards = await openDashboards(product)
  const fromMs = Date.now()
  const startedAt = performance.now() + 1_000 * warmUpSeconds
  const sampler = startSampler({ product, readUsage, readStages, startedAt })
  const markers = await startMarkers({ ...arena, perSecond: markersPerSecond, startedAt })
  try {
    const loadSeconds: LoadSecond[] = []
    const running = load.run((second) => {
      loadSeconds.push({ ...second, second: second.second - warmUpSeconds })
      tellSecond(second, sampler, say)
    })
    const [[begin, end], { acknowledged, ...figures }] = await Promise.all([
      measure(startedAt, seconds, sampler),
      running,
    ])
    markers.endSending()
    say('the load is over: waiting until all of it is stored and archived')
    const untilMs = Date.now()
    await waitFor(MARKERS_LATE_MS, () => markers.waiting().pushes + markers.waiting().rows === 0)
    const unseen = markers.waiting()
    const books = await drain(arena, fromMs, untilMs, drainMs)
    const drained = await sampler.look()
    return {
      options,
      load: figures,
      acknowledged: new Bits(acknowledged),
      loadSeconds,
      markers,
      unseen,
      samples: sampler.samples,
      begin,
      end,
      drained,
      books,
      dashboards: dashboards.figures(),
    }
  } finally {
    await markers.stop()
    await sampler.stop()
    dashboards.close()
  }
}

const TELL_EVERY = 5

const tellSecond = (one: LoadSecond, { samples }: Sampler, say: (line: string) => void): void => {
  if (one.second % TELL_EVERY !== TELL_EVERY - 1) return
  const { pendingEvents = 0 } = samples[samples.length - 1]?.lag ?? {}
  say(
    `${one.second + 1} s: ${one.accepted.toLocaleString('en-US')} events acknowledged in this second, p99 ${Math.round(one.p99Us / 1_000)} ms, ${one.refused} refused, ${one.waiting} due and waiting; ${pendingEvents.toLocaleString('en-US')} not settled`,
  )
}
