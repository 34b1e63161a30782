import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { applySpecs } from '#infra/druid/apply.ts'
import { createHealthCheck } from '#infra/druid/health.ts'
import type { Management } from '#infra/druid/management.ts'
import { readSpecs } from '#infra/druid/specs.ts'
import { startProduct } from '#infra/testing/product.ts'
import { until } from '#infra/testing/until.ts'
import { createCollectorClient } from '#scripts/lib/collector.ts'
import { summarize } from '../bench.ts'
import type { BenchDruid } from './druid.ts'

const PROBE = '/probe'
const BATCHES_PER_SECOND = 10
const PATIENCE_MS = 60_000
/** A busy machine takes minutes until tasks read. */
const LATE_MS = 600_000
/** The first ones wait for tasks to start: they are not counted. */
const WARM = 3

const ask = async (druid: Management, query: string): Promise<Record<string, unknown>[]> => {
  const answer = await druid.post('/druid/v2/sql', { query, context: { useCache: false } })
  return answer as Record<string, unknown>[]
}

/** 0 while there is no such table, or Druid does not answer. */
const numberOf = async (druid: Management, query: string): Promise<number> =>
  Number((await ask(druid, query).catch(() => []))[0]?.n ?? 0)

const pageView = (path: string): string => {
  const sessionId = `s${Math.floor(Math.random() * 1_000)}`
  return JSON.stringify({ id: randomUUID(), name: 'page_view', sessionId, properties: { path } })
}

const lateError = async (druid: Management, probe: number): Promise<Error> => {
  const tables = Object.keys((await readSpecs()).supervisors)
  const { problems } = await createHealthCheck({ druid, tables, now: Date.now }).look()
  return new Error(`event ${probe} is not in Druid: ${problems.join('; ') || 'no reason is known'}`)
}

interface LatencyOptions {
  probes: number
  /** Other events a second. */
  rate: number
  partitions: number
}

/** The product as it runs, with Druid behind it: one event after the other, each until its aggregate row answers in SQL. */
export const measureLatency = async (
  { management }: BenchDruid,
  { probes, rate, partitions }: LatencyOptions,
  say: (line: string) => void,
) => {
  await using product = await startProduct({ flags: ['--kafka-port=0', `--partitions=${partitions}`] })
  const { endpoints, keys } = product
  await applySpecs(management, await readSpecs(), { kafka: endpoints.kafka!, period: 'PT5S' })
  const collector = createCollectorClient({ url: endpoints.collector, key: keys.writeKey, patienceMs: PATIENCE_MS })
  let acknowledged = 0
  const send = async (lines: string[]): Promise<void> => {
    const { accepted } = await collector.send(lines.join('\n'))
    acknowledged += accepted
  }

  const stopping = new AbortController()
  const beside = async (): Promise<void> => {
    while (!stopping.signal.aborted && rate > 0) {
      const lines = Array.from({ length: Math.ceil(rate / BATCHES_PER_SECOND) }, (_, i) => pageView(`/p${i % 20}`))
      await Promise.all([send(lines), delay(1_000 / BATCHES_PER_SECOND)])
    }
  }
  const load = beside()

  const seen = `SELECT SUM(events) AS n FROM minly_aggs WHERE tenant = 'main' AND metric = 'page_views' AND "size" = 60000 AND d2 = '${PROBE}'`
  const times: number[] = []
  const questions: number[] = []
  for (let probe = 1; probe <= probes + WARM; probe++) {
    await send([pageView(PROBE)])
    const acknowledgedAt = performance.now()
    for (;;) {
      const askedAt = performance.now()
      const isThere = (await numberOf(management, seen)) >= probe
      const now = performance.now()
      if (probe > WARM) questions.push(now - askedAt)
      if (isThere) {
        if (probe > WARM) times.push(now - acknowledgedAt)
        break
      }
      if (now - acknowledgedAt > LATE_MS) throw await lateError(management, probe)
    }
    if (probe % 20 === 0) say(`${probe} of ${probes} events timed`)
  }
  stopping.abort()
  await load

  const total = `SELECT COUNT(*) AS n FROM raw_events`
  await until('all raw events', async () => (await numberOf(management, total)) >= acknowledged, LATE_MS)
  const rows = await numberOf(management, total)
  const distinct = await numberOf(management, `SELECT COUNT(*) AS n FROM (SELECT id FROM raw_events GROUP BY 1)`)
  const minutes = `SELECT SUM(events) AS n FROM minly_aggs WHERE metric = 'page_views'`
  await until('all aggregates', async () => (await numberOf(management, minutes)) >= acknowledged, LATE_MS)
  const { p50Ms, p99Ms, maxMs } = summarize({ times, cpuMs: 0 })
  const { p50Ms: sqlP50Ms } = summarize({ times: questions, cpuMs: 0 })
  return {
    rows,
    lost: acknowledged - distinct,
    duplicated: rows - distinct + ((await numberOf(management, minutes)) - acknowledged),
    p50Ms,
    p99Ms,
    maxMs,
    sqlP50Ms,
    probes,
    rate,
  }
}
