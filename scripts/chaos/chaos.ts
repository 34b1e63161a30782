import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { connectNats } from '#infra/nats/connect.ts'
import { openStore } from '#infra/testing/store.ts'
import { readArchive } from './archive.ts'
import { startArena } from './arena.ts'
import { type Book, createBook } from './book.ts'
import { startChanges } from './changes.ts'
import { type Dashboards, openDashboards } from './dashboards.ts'
import { drained, readSettled } from './evidence.ts'
import { createFaults, type Faults } from './faults.ts'
import { createHistory, type History } from './history.ts'
import { type Load, type LoadCounts, startLoad } from './load.ts'
import { type ProcessKind, planFaults, planOutage } from './plan.ts'
import type { ChaosReport } from './report.ts'
import { problemsOf, reachVerdict, type Verdict, type VerdictSources } from './verdict.ts'
import { watchPipeline } from './watch.ts'

export interface ChaosOptions {
  seed: number
  seconds: number
  /** Events a second. */
  rate: number
  gateways: number
  processors: number
  /** Instead of all faults: what stands still for the whole run but a few seconds. */
  outage?: ProcessKind
  /** Of the product; kept. */
  dataDir: string
  env: NodeJS.ProcessEnv
  /** Ends the run early, with nothing left running. */
  signal: AbortSignal
  /** A line for the person who watches, and one for the log of the run. */
  say(line: string): void
  log(line: string): void
}

/** How long what was sent may wait for its verdicts once the faults are over. */
const LOAD_ENDS_MS = 120_000
/** How long stores and dashboards may take to agree after that. */
const AGREES_MS = 45_000
const LOOK_MS = 500

/** The verdict as soon as nothing is wrong, or after a while: dashboards and stores are told one after the other. */
const settledVerdict = async (sources: VerdictSources, signal: AbortSignal): Promise<Verdict> => {
  let { before } = sources
  for (const end = performance.now() + AGREES_MS; ; await delay(LOOK_MS, undefined, { signal })) {
    const verdict = await reachVerdict({ ...sources, before })
    if (problemsOf(verdict).length === 0 || performance.now() > end) return verdict
    before = verdict.settled.clocks
  }
}

const surprisesIn = ({ surprises }: LoadCounts): string[] =>
  Object.entries(surprises).map(([what, times]) => `${times} times an answer that should not be: ${what}`)

interface Outcome {
  book: Book
  load: Load
  faults: Faults
  history: History
  dashboards: Dashboards
  verdict: Verdict
}

const countsOf = ({ book, load, faults, history, dashboards, verdict }: Outcome) => ({
  acknowledged: book.count('ACCEPTED'),
  lost: verdict.lost.length,
  duplicated: verdict.duplicated.length,
  windowsDifferent: verdict.windows.length,
  windowsCompared: verdict.windowsCompared,
  definitions: [...history.of.values()].reduce((sum, versions) => sum + versions.length, 0),
  kills: faults.kills(),
  faults: Object.values(faults.done).reduce((sum, times) => sum + times, 0),
  retriesSeen: load.counts().retries,
  answersDropped: load.counts().answersDropped,
  counted: verdict.counted,
  late: verdict.late,
  rejected: book.count('REJECTED'),
  unacknowledged: book.count('OPEN') + book.count('ABANDONED'),
  duplicatesFound: verdict.duplicatesFound,
  accepted: verdict.ledger.accepted,
  balanced: verdict.ledger.balanced,
  epochs: verdict.settled.epochs,
  subscription: dashboards.counts(),
  faultsDone: { ...faults.done },
})

/** Runs the whole product under load while everything that can break breaks, then counts. */
export const runChaos = async (options: ChaosOptions): Promise<ChaosReport> => {
  const { seed, seconds, rate, outage, dataDir, signal, say, log } = options
  await using arena = await startArena({ ...options, say: log })
  signal.throwIfAborted()
  const { product, views, proxy } = arena
  const nats = await connectNats(views[0].endpoints.nats, 'millrace chaos')
  await using _nats = { [Symbol.asyncDispose]: () => nats.nc.close() }
  await using store = await openStore(views[0])
  const history = createHistory()
  const changes = await startChanges({ seed, views, history, say: log })
  await using _changes = { [Symbol.asyncDispose]: async () => changes.abort() }
  await using dashboards = await openDashboards(views)
  await using pipeline = watchPipeline(views)
  const book = createBook()
  const faults = createFaults({ pids: arena.pids, proxy, leave: dashboards.leave, say: log })
  // After everything else was ended nobody may be stopped: a stopped process does not end.
  await using _resumed = { [Symbol.asyncDispose]: async () => faults.resume() }
  const load = startLoad({
    seed,
    rate,
    gateways: views.map(({ endpoints }) => endpoints),
    writeKey: product.keys.writeKey,
    book,
  })
  await using _load = { [Symbol.asyncDispose]: async () => load.abort() }

  say(`${seconds} s of faults; the log of the run is ${join(dataDir, 'chaos.log')}`)
  const plan = outage === undefined ? planFaults(seed, seconds) : planOutage(outage, seconds)
  await Promise.all([faults.run(plan, signal), delay(seconds * 1_000, undefined, { signal })])
  say('the faults are over; all that was sent gets its verdicts')
  const allSettled = await load.end(LOAD_ENDS_MS)
  const allDefined = await changes.end(LOAD_ENDS_MS)
  signal.throwIfAborted()
  say('waiting for processors and store')
  const { clocks: before } = await readSettled(nats)
  const stuck = await drained(nats, store).then(
    () => [],
    (error: Error) => [error.message],
  )
  const verdict = await settledVerdict({ nats, store, views, book, dashboards, history, before }, signal)

  const archive = await readArchive(nats, dataDir, verdict.settled.counted)

  const problems = [
    ...stuck,
    ...(allSettled ? [] : [`${book.count('OPEN')} events had no verdict ${LOAD_ENDS_MS / 1_000} s after the faults`]),
    ...(allDefined ? [] : [`a change of a metric had no answer ${LOAD_ENDS_MS / 1_000} s after the faults`]),
    ...problemsOf(verdict),
    ...archive.problems,
    ...changes.problems,
    ...surprisesIn(load.counts()),
    ...pipeline.problems,
  ]
  return {
    seed,
    seconds,
    ...countsOf({ book, load, faults, history, dashboards, verdict }),
    archived: archive.events,
    problems,
  }
}
