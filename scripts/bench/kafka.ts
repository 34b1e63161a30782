import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { type Client, openClient, skimBatches } from '#infra/kafka/fixtures/client.ts'
import { createWriter, lineOf, startDeployment, type TestDeployment } from '#infra/kafka/fixtures/deployment.ts'
import { renderTable } from '#scripts/lib/table.ts'
import { type Bench, summarize } from './bench.ts'

const MAIN = fileURLToPath(new URL('../../infra/compose/kafka.main.ts', import.meta.url))
/** Frames of one settlement, as a busy processor writes them. */
const FRAMES_PER_SETTLEMENT = 30
/** An event as the demo sends it takes so much. */
const LINE_BYTES = 450
const TAIL_PAUSE_MS = 5
const round = (value: number, digits = 1): number => Number(value.toFixed(digits))

/** The server as it runs in production: a process of its own. */
const launch = async (nats: string) => {
  const child: ChildProcess = fork(MAIN, [`--nats-url=${nats}`, '--partitions=1', '--log-level=error'], {
    execArgv: [],
  })
  const [{ ports }] = (await once(child, 'message')) as [{ ports: { kafka: number; admin: number } }]
  return {
    port: ports.kafka,
    /** Seconds of a core that it has taken. */
    async cpu(): Promise<number> {
      const text = await (await fetch(`http://127.0.0.1:${ports.admin}/metrics`)).text()
      return Number(/^process_cpu_seconds_total ([\d.e+-]+)/m.exec(text)?.[1])
    },
    async stop(): Promise<void> {
      const exited = once(child, 'exit')
      child.kill('SIGTERM')
      await exited
    },
  }
}
type Server = Awaited<ReturnType<typeof launch>>

const fill = async ({ nats, writer }: TestDeployment, frames: number, events: number): Promise<void> => {
  const line = lineOf('x'.repeat(LINE_BYTES))
  const text = Array.from({ length: events }, () => line).join('\n')
  for (let written = 0; written < frames; written += FRAMES_PER_SETTLEMENT) {
    const count = Math.min(FRAMES_PER_SETTLEMENT, frames - written)
    await Promise.all(Array.from({ length: count }, () => writer.frame(text)))
    await writer.commit({ to: (await nats.broker.range('user_events_0')).last })
  }
}

/** From one offset to the end, as fast as it goes. */
const catchUp = async (server: Server, client: Client, from: number, events: number) => {
  const [startedAt, cpu] = [performance.now(), await server.cpu()]
  let [records, bytes, next] = [0, 0, from]
  for (;;) {
    const position = { topic: 'user_events', partition: 0, offset: next, maxBytes: 8_000_000 }
    const [{ end, batches }] = await client.fetchWith([position], { maxWaitMs: 500 }, (data) => ({
      ...skimBatches(data),
      size: data.length,
    }))
    records += batches.records
    bytes += batches.size
    if (batches.next > 0) next = batches.next
    if (next >= end) break
  }
  const seconds = (performance.now() - startedAt) / 1_000
  return {
    eventsPerRecord: events,
    records,
    recordsPerSecond: Math.round(records / seconds),
    eventsPerSecond: Math.round((records * events) / seconds),
    megabytesPerSecond: round(bytes / 1e6 / seconds),
    cpuMicrosPerRecord: round((((await server.cpu()) - cpu) * 1e6) / records),
    next,
  }
}

/** From the moment in which a settlement is sent to the moment in which its record is with the client. */
const tail = async ({ writer }: TestDeployment, client: Client, from: number, count: number) => {
  const times: number[] = []
  const acknowledged: number[] = []
  const line = lineOf('tail')
  // Somebody has to wait already: the first ones are not counted.
  const warm = 20
  let offset = from
  for (let i = 0; i < count + warm; i++) {
    const to = await writer.frame(line)
    const position = { topic: 'user_events', partition: 0, offset }
    const waiting = client.fetchWith([position], { maxWaitMs: 20_000 }, skimBatches).then(([{ batches }]) => {
      offset = batches.next
      return performance.now()
    })
    await new Promise((resolve) => setTimeout(resolve, TAIL_PAUSE_MS))
    const sentAt = performance.now()
    await writer.commit({ to })
    const acknowledgedAt = performance.now()
    const receivedAt = await waiting
    if (i < warm) continue
    times.push(receivedAt - sentAt)
    acknowledged.push(acknowledgedAt - sentAt)
  }
  const { p50Ms, p99Ms, maxMs } = summarize({ times, cpuMs: 0 })
  const { p50Ms: acknowledgedP50Ms } = summarize({ times: acknowledged, cpuMs: 0 })
  return { records: count, p50Ms, p99Ms, maxMs, acknowledgedP50Ms }
}

/** What a consumer gets of the Kafka server: catching up with large and with small records, and at the end of the log. */
export const kafkaBench: Bench<'frames' | 'events' | 'small' | 'tail'> = {
  summary: 'records of the Kafka server: catching up, and at the end of the log',
  options: {
    frames: { value: 'N', help: 'frames to catch up with [6000]' },
    events: { value: 'N', help: 'events of each [120]' },
    small: { value: 'N', help: 'frames of one event to catch up with [60000]' },
    tail: { value: 'N', help: 'frames whose way is timed [500]' },
  },
  async run(args, say) {
    const frames = args.whole('frames', 6_000, 1, 10_000_000)
    const events = args.whole('events', 120, 1, 1_000)
    const small = args.whole('small', 60_000, 1, 10_000_000)
    await using deployment = await startDeployment()
    deployment.writer = await createWriter(deployment.nats)
    say(`writing ${frames} frames of ${events} events, and ${small} of one`)
    await fill(deployment, frames, events)
    const smallFrom = (await deployment.nats.broker.range('user_events_0')).last + 1
    let server = await launch(deployment.server.url)
    try {
      using client = await openClient(server.port)
      const { next: _, ...large } = await catchUp(server, client, 1, events)
      await fill(deployment, small, 1)
      await server.stop()
      server = await launch(deployment.server.url)
      using again = await openClient(server.port)
      const { next, ...single } = await catchUp(server, again, smallFrom, 1)
      const latency = await tail(deployment, again, next, args.whole('tail', 500, 1, 100_000))
      say(
        renderTable([
          ['catching up', 'records/s', 'events/s', 'MB/s', 'µs CPU a record'],
          ...[large, single].map((one) => [
            `${one.eventsPerRecord} events a record`,
            one.recordsPerSecond,
            one.eventsPerSecond,
            one.megabytesPerSecond,
            one.cpuMicrosPerRecord,
          ]),
        ]),
      )
      say(
        `settlement sent → record at the consumer: p50 ${latency.p50Ms} ms, p99 ${latency.p99Ms} ms; the writer has its acknowledgement after ${latency.acknowledgedP50Ms} ms`,
      )
      return { catchUp: [large, single], tail: latency }
    } finally {
      await server.stop()
    }
  },
}
