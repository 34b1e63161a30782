import { randomUUID } from 'node:crypto'
import { Registry } from 'prom-client'
import { applySpecs } from '#infra/druid/apply.ts'
import type { Management } from '#infra/druid/management.ts'
import { type JsonObject, readSpecs } from '#infra/druid/specs.ts'
import { createWriter, openKafka } from '#infra/kafka/fixtures/deployment.ts'
import { connectNats } from '#infra/nats/connect.ts'
import { ensureDeployment } from '#infra/nats/setup.ts'
import { startTestNats } from '#infra/testing/nats.ts'
import { until } from '#infra/testing/until.ts'
import type { BenchDruid } from './druid.ts'

/** Of one frame, as a busy gateway makes them. */
const EVENTS = 120
const FRAMES_PER_SETTLEMENT = 30
const DEADLINE_MS = 600_000
const SUPERVISORS = '/druid/indexer/v1/supervisor'

export interface Growth {
  partitions: number
  tasks: number
  rows: number
  /** From the first row that was seen to the last. */
  seconds: number
  rowsPerSecond: number
  cpuMicrosPerRow: number | null
}

const line = (partition: number, now: number): string =>
  JSON.stringify({
    tenant: 'main',
    source: 'live',
    receivedAt: now,
    time: now,
    key: `session ${partition} ${now % 1_000}`,
    weight: 1,
    country: 'DE',
    browser: 'Firefox',
    os: 'Linux',
    device: 'desktop',
    schema: 1,
    e: {
      id: randomUUID(),
      name: 'page_view',
      userId: `u${now % 10_000}`,
      properties: { path: `/products/${now % 50}`, method: 'GET', status: 200, bytes: 5_120 },
      context: { page: { url: 'https://shop.example/products', referrer: 'https://search.example/' } },
    },
  })

/** A log whose frames are all settled, and the Kafka server before it. */
const openLog = async (partitions: number, events: number) => {
  const server = await startTestNats()
  const nats = await connectNats(server.url, 'millrace bench')
  await ensureDeployment(nats, { partitions })
  let written = 0
  for (let partition = 0; partition < partitions; partition++) {
    const writer = await createWriter(nats, partition)
    const frames = Math.ceil(events / partitions / EVENTS)
    for (let i = 0; i < frames; i += FRAMES_PER_SETTLEMENT) {
      const count = Math.min(FRAMES_PER_SETTLEMENT, frames - i)
      const start = Date.now()
      const texts = Array.from({ length: count }, () =>
        Array.from({ length: EVENTS }, (_, n) => line(partition, start + n)).join('\n'),
      )
      const places = await Promise.all(texts.map((text) => writer.frame(text)))
      await writer.commit({ to: Math.max(...places) })
      written += count * EVENTS
    }
  }
  const kafka = await openKafka(nats, { partitions, registry: new Registry() })
  return {
    kafka: `127.0.0.1:${kafka.port}`,
    written,
    async [Symbol.asyncDispose]() {
      await kafka.close()
      await nats.close()
      await server[Symbol.asyncDispose]()
    },
  }
}

const rawSpecs = async (table: string) => {
  const { supervisors } = await readSpecs()
  const supervisor = structuredClone(supervisors.raw_events) as { spec: Record<string, JsonObject> } & JsonObject
  supervisor.spec.dataSchema.dataSource = table
  return { supervisors: { [table]: supervisor }, rules: {}, compaction: {} }
}

const count = async (druid: Management, table: string): Promise<number> => {
  const query = `SELECT COUNT(*) AS n FROM ${table}`
  const answer = await druid.post('/druid/v2/sql', { query, context: { useCache: false } }).catch(() => null)
  return (answer as { n: number }[] | null)?.[0]?.n ?? 0
}

const catchUp = async ({ management, cpu }: BenchDruid, kafka: string, tasks: number, rows: number, table: string) => {
  await applySpecs(management, await rawSpecs(table), { kafka, tasks, period: 'PT5S' })
  const first = await until(
    'first rows',
    async () => {
      const seen = await count(management, table)
      return seen > 0 && { rows: seen, at: performance.now(), cpu: await cpu() }
    },
    DEADLINE_MS,
  )
  await until('all rows', async () => (await count(management, table)) >= rows, DEADLINE_MS)
  const seconds = (performance.now() - first.at) / 1_000
  const spent = await cpu()
  await management.post(`${SUPERVISORS}/${table}/terminate`)
  const read = Math.max(1, rows - first.rows)
  return {
    seconds: Math.round(seconds * 10) / 10,
    rowsPerSecond: Math.round(read / Math.max(0.001, seconds)),
    cpuMicrosPerRow: spent === null || first.cpu === null ? null : Math.round(((spent - first.cpu) * 1e7) / read) / 10,
  }
}

/** How fast raw events are read that are there already: by partitions of the log, and by tasks that share them. */
export const measureGrowth = async (
  druid: BenchDruid,
  { events, partitions }: { events: number; partitions: number },
  say: (line: string) => void,
): Promise<Growth[]> => {
  const growth: Growth[] = []
  for (const count of new Set([1, partitions])) {
    say(`writing ${events} events into ${count} partitions`)
    await using log = await openLog(count, events)
    for (const tasks of count === 1 ? [1] : [1, 2]) {
      say(`catching up with ${tasks} tasks`)
      const table = `bench_${count}_partitions_${tasks}_tasks_${Date.now()}`
      const figures = await catchUp(druid, log.kafka, tasks, log.written, table)
      growth.push({ partitions: count, tasks, rows: log.written, ...figures })
    }
  }
  return growth
}
