import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { createDuckDbOlap } from '#infra/duckdb/olap.ts'
import { connectNats } from '#infra/nats/connect.ts'
import { createOlapClient } from '#infra/nats/olap-client.ts'
import { MillraceError } from '#schema/errors.ts'
import type { OlapReader } from '#schema/olap.ts'
import { renderTable } from '#scripts/lib/table.ts'
import { cpuSeconds } from '#scripts/lib/usage.ts'
import type { Bench } from '../bench.ts'
import { keepSending } from './feed.ts'
import { quantile, round } from './figures.ts'
import { PARTITIONS, startRig } from './rig.ts'

const MINUTE = 60_000
/** Windows of a minute that one question asks for. */
const WINDOWS = 60
const SERIES = 20
const METRIC = { tenant: 'main', metric: 'bench_views', version: 1, size: MINUTE }
const GOAL_MS = 300

const ROWS = `
INSERT INTO minly_aggs (tenant, metric, version, size_ms, window_start, window_end, dims, events, corrections,
  revisions, n, shed, sum, comp, error, stored_at, merged)
SELECT 'main', 'bench_views', 1, ${MINUTE}, epoch_ms(start_ms), epoch_ms(start_ms + ${MINUTE}), ['/p/' || s], 5, 0, 1, 5, 0, 0, 0, 0,
  epoch_ms(start_ms), true
FROM (SELECT $1::BIGINT - m * ${MINUTE} AS start_ms FROM range(1, $2::BIGINT + 1) w(m)), range(${SERIES}) b(s) ORDER BY start_ms`

/** A store that holds windows of a metric, by SQL: what is measured is reading. */
const fillWindows = async (folder: string, end: number, minutes: number): Promise<void> => {
  const olap = join(folder, 'olap')
  const logger = { info() {}, warn() {}, error() {} }
  await (await createDuckDbOlap({ folder: olap, partitions: PARTITIONS, logger })).close()
  const instance = await DuckDBInstance.create(join(olap, 'millrace.duckdb'))
  const connection = await instance.connect()
  await connection.run(ROWS, [end, minutes])
  await connection.run('CHECKPOINT')
  connection.closeSync()
  instance.closeSync()
}

interface Questions {
  askers: number
  ms: number
  end: number
  minutes: number
}

/** Asks for ranges that all differ; each asker the next when the one before is answered. */
const ask = async (olap: OlapReader, { askers, ms, end, minutes }: Questions) => {
  const timesMs: number[] = []
  let refused = 0
  let asked = 0
  const giveUpAt = performance.now() + ms
  const asker = async (): Promise<void> => {
    while (performance.now() < giveUpAt) {
      const to = end - (asked++ % (minutes - WINDOWS)) * MINUTE
      const at = performance.now()
      try {
        const query = { ...METRIC, from: to - WINDOWS * MINUTE, to, measure: 'COUNT' as const }
        const { rows } = await olap.aggregates(query)
        if (rows.length !== WINDOWS * SERIES) throw new Error(`${rows.length} rows came of a range`)
        timesMs.push(performance.now() - at)
      } catch (error) {
        if (!(error instanceof MillraceError)) throw error
        refused++
      }
    }
  }
  await Promise.all(Array.from({ length: askers }, asker))
  return { timesMs: timesMs.sort((a, b) => a - b), refused }
}

/** How long range queries to the store take that come at once, while events are stored. */
export const rangesBench: Bench<'askers' | 'seconds' | 'minutes' | 'rate' | 'profile'> = {
  summary: 'range queries to the store that come at once, while events are stored',
  options: {
    askers: { value: 'N', help: 'questions under way at once [200]' },
    seconds: { value: 'N', help: 'how long is asked [5]' },
    minutes: { value: 'N', help: 'windows of a minute in the store, of 20 series each [4000]' },
    rate: { value: 'N', help: 'events a second that come in meanwhile [1000]' },
    profile: { value: 'DIR', help: 'write CPU profiles of the processes' },
  },
  async run(args, say) {
    const askers = args.whole('askers', 200, 1, 10_000)
    const seconds = args.whole('seconds', 5, 1, 600)
    const minutes = args.whole('minutes', 4_000, 2 * WINDOWS, 100_000)
    const rate = args.whole('rate', 1_000, 1, 1_000_000)
    const end = Math.floor(Date.now() / MINUTE) * MINUTE - 180 * MINUTE
    const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
    await fillWindows(folder, end, minutes)
    await using rig = await startRig({
      parts: ['gateway', 'processor', 'storage'],
      profile: args.text('profile'),
      folder,
    })
    const nats = await connectNats(rig.natsUrl, 'bench')
    const olap = createOlapClient(nats)
    const traffic = keepSending(rig, rate)
    await ask(olap, { askers: 8, ms: 2_000, end, minutes })
    const [sentBefore, cpuBefore] = [traffic.sent(), await cpuSeconds(rig.pids.storage)]
    const { timesMs, refused } = await ask(olap, { askers, ms: seconds * 1_000, end, minutes })
    const cpu = (await cpuSeconds(rig.pids.storage)) - cpuBefore
    const eventsPerSecond = Math.round((traffic.sent() - sentBefore) / seconds)
    await traffic.stop()
    await nats.close()
    const figures = {
      answers: timesMs.length,
      refused,
      p50Ms: round(quantile(timesMs, 0.5)),
      p95Ms: round(quantile(timesMs, 0.95)),
      cpuMsOfStorage: round((cpu * 1_000) / timesMs.length),
      eventsPerSecond,
    }
    say(
      renderTable([
        ['range queries', 'p50 ms', 'p95 ms', 'CPU ms of storage', 'events/s'],
        [timesMs.length, figures.p50Ms, figures.p95Ms, figures.cpuMsOfStorage, eventsPerSecond],
      ]),
    )
    return { askers, windows: WINDOWS, series: SERIES, ...figures, goals: { p95Ms: GOAL_MS } }
  },
}
