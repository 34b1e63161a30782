import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createEventStatus } from '#gateway/status/event-status.ts'
import { createDuckDbOlap } from '#infra/duckdb/olap.ts'
import { connectNats } from '#infra/nats/connect.ts'
import { createEventTail } from '#infra/nats/event-tail.ts'
import { createLogWriter } from '#infra/nats/log.ts'
import { createOlapClient } from '#infra/nats/olap-client.ts'
import { serveOlap } from '#infra/nats/olap-server.ts'
import { ensureDeployment } from '#infra/nats/setup.ts'
import { startTestNats } from '#infra/testing/nats.ts'
import type { EventLine } from '#schema/event.ts'
import { RETENTION } from '#schema/limits.ts'
import { renderTable } from '#scripts/lib/table.ts'
import { type Bench, summarize, timeEach } from './bench.ts'
import { fillStore, PARTITIONS, sampleIds } from './filled-store.ts'

const PROMISED_MS = 200
const FRAMES = 10
const FRAME_EVENTS = 100

/** Events that were acknowledged and that nobody has settled: what a moment of traffic leaves behind the store. */
const appendTail = async (log: ReturnType<typeof createLogWriter>): Promise<string[]> => {
  const ids: string[] = []
  const line = (): EventLine => {
    const id = `tail-${ids.length}`
    ids.push(id)
    const now = Date.now()
    const server = { tenant: 'main', source: 'live', receivedAt: now, time: now, key: id, weight: 1, schema: 0 }
    return { ...server, e: { id, name: 'page_view', properties: { path: '/', bytes: 1 } } }
  }
  for (let frame = 0; frame < FRAMES * PARTITIONS; frame++) {
    const lines = Array.from({ length: FRAME_EVENTS }, () => JSON.stringify(line()))
    const data = new TextEncoder().encode(lines.join('\n'))
    const counts = new Map([['main', FRAME_EVENTS]])
    await log.append({ partition: frame % PARTITIONS, messageId: `frame-${frame}`, data, counts }, 10_000)
  }
  return ids
}

const spread = <T>(items: readonly T[], count: number): T[] =>
  Array.from({ length: count }, (_, i) => items[Math.floor((i * items.length) / count)])

const measure = async (folder: string, questions: number, say: (line: string) => void) => {
  await using server = await startTestNats()
  const nats = await connectNats(server.url, 'bench')
  await ensureDeployment(nats, { partitions: PARTITIONS })
  const waiting = await appendTail(createLogWriter(nats.broker))
  const logger = { info() {}, warn: say, error: say } as never
  const olap = await createDuckDbOlap({ folder, partitions: PARTITIONS, logger })
  const service = serveOlap(nats, { olap, logger })
  await nats.nc.flush()
  const tail = createEventTail(nats.broker)
  const read = createEventStatus({
    olap: createOlapClient(nats),
    tail,
    clock: { now: Date.now },
    keptMs: RETENTION.rawEvents,
  })
  const kinds = {
    'stored, the id tells when': await sampleIds(olap, 'uuid', questions),
    'stored, the id tells nothing': await sampleIds(olap, 'plain', questions),
    'just acknowledged': spread(waiting, questions),
    'there is none': Array.from({ length: questions }, (_, i) => `none-${i}`),
  }
  const times: Record<string, ReturnType<typeof summarize>> = {}
  for (const [kind, ids] of Object.entries(kinds)) {
    times[kind] = summarize(
      await timeEach(ids, async (id) => {
        const status = await read('main', id)
        if ((status === null) !== (kind === 'there is none')) throw new Error(`${id}: ${status?.stage}`)
      }),
    )
  }
  await service.stop()
  await olap.close()
  await nats.close()
  return times
}

/** How long Query.eventStatus takes, from the gateway's side: store, rest of the logs, and the way between. */
export const eventStatusBench: Bench<'rows' | 'questions'> = {
  summary: 'time of Query.eventStatus on a store of many rows',
  options: {
    rows: { value: 'N', help: 'rows of raw_events [10000000]' },
    questions: { value: 'N', help: 'questions of each kind [200]' },
  },
  async run(args, say) {
    const rows = args.whole('rows', 10_000_000, 1_000, 1_000_000_000)
    const questions = args.whole('questions', 200, 1, 100_000)
    const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
    try {
      await fillStore(folder, rows, say)
      const times = await measure(folder, questions, say)
      const table = Object.entries(times).map(([kind, one]) => [kind, ...Object.values(one)])
      say(renderTable([['milliseconds', 'first', 'p50', 'p99', 'max', 'processor'], ...table]))
      const p99Ms = Math.max(...Object.values(times).map((one) => one.p99Ms))
      return {
        rows,
        questions,
        waitingEvents: FRAMES * FRAME_EVENTS * PARTITIONS,
        times,
        p99Ms,
        promisedMs: PROMISED_MS,
      }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
}
