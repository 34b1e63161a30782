import { expect, test } from 'vitest'
import { connectNats } from '#infra/nats/connect.ts'
import { createLogWriter } from '#infra/nats/log.ts'
import { ensureDeployment } from '#infra/nats/setup.ts'
import { startTestNats } from '#infra/testing/nats.ts'
import { collectorOn, ownPartition } from '#infra/testing/pipeline.ts'
import { readSettlements } from '#infra/testing/settlements.ts'
import { until } from '#infra/testing/until.ts'
import type { EventLine } from '#schema/event.ts'
import type { ControlRecord } from '#schema/frame.ts'
import { logStream, logSubject } from '#schema/subjects.ts'
import { type Client, openClient } from './fixtures/client.ts'
import { openKafka } from './fixtures/deployment.ts'

const VIEWS: ControlRecord = {
  kind: 'defineMetric',
  tenant: 'main',
  metric: {
    name: 'views',
    event: '*',
    where: [],
    measure: { kind: 'COUNT' },
    dimensions: [],
    windows: [{ kind: 'TUMBLING', sizeMs: 60_000 }],
    version: 1,
  },
}

/** Reads a topic from its start until it is stopped, over whatever happens to the server. */
const follow = (topic: string, port: () => number) => {
  const values: string[] = []
  let offset = 1
  let stopped = false
  const read = async (client: Client): Promise<void> => {
    while (!stopped) {
      const [{ error, batches }] = await client.fetch([{ topic, partition: 0, offset }], { maxWaitMs: 100 })
      if (error !== 0 && error !== 6) throw new Error(`error ${error} at ${offset} of ${topic}`)
      for (const { from, to, value } of batches) {
        // The answer begins at or behind what was asked for, and goes on in order.
        expect(from).toBeGreaterThanOrEqual(offset)
        if (value !== null) values.push(value)
        offset = to + 1
      }
    }
  }
  const run = async (): Promise<void> => {
    while (!stopped) {
      const client = await openClient(port()).catch(() => null)
      await read(client!).catch((error: Error) => {
        if (error.message !== 'closed' && client) throw error
      })
      client?.socket.destroy()
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  const done = run()
  return {
    lines: () => values.flatMap((value) => value.split('\n')),
    async stop() {
      stopped = true
      await done
    },
  }
}

test('consumers get each event that counted once, in step with the aggregates, over restarts of everything', async () => {
  await using server = await startTestNats()
  const nats = await connectNats(server.url, 'test')
  await ensureDeployment(nats, { partitions: 1 })
  await createLogWriter(nats.broker).appendControl(0, VIEWS, 'define')
  let kafka = await openKafka(nats)
  const port = () => kafka.port
  const [events, aggregates, olap] = ['user_events', 'aggregates', 'olap_aggregates'].map((topic) =>
    follow(topic, port),
  )
  let isOver = false
  /** As a processor does: one that has failed is followed by another. */
  const own = (): ReturnType<typeof ownPartition> =>
    ownPartition(nats, {
      onFailure: () => {
        if (!isOver) owner = own()
      },
    })
  let owner = own()
  const { collect } = collectorOn(nats)
  const now = Date.now()
  let sent = 0
  const send = async (count: number): Promise<void> => {
    const from = sent
    sent += count
    const fresh = Array.from({ length: count }, (_, i) => ({
      id: `e${from + i}`,
      name: 'view',
      sessionId: `s${i % 3}`,
    }))
    const old = { ...fresh[0], id: `late${from}`, time: new Date(now - 86_400_000).toISOString() }
    await until('they are taken', async () => {
      const { accepted } = await collect({ tenant: 'main', events: [...fresh, fresh[0], old] })
      return accepted === count + 2
    })
  }
  const unreadable = async (): Promise<void> => {
    await nats.broker.publish(logSubject(0), new TextEncoder().encode('no event\n{"tenant":"main"}'), {}, 5_000)
  }
  const rounds = [
    async () => {},
    async () => {
      await kafka.close()
      kafka = await openKafka(nats)
    },
    async () => {
      await owner.stop()
      owner = own()
    },
    () => server.restart(),
    async () => {},
  ]
  for (const disturb of rounds) {
    await send(20)
    await send(1)
    await until('it is taken', () => unreadable().then(() => true))
    await disturb()
  }

  const { last } = await nats.broker.range(logStream(0))
  const settlements = await until('all is settled', async () => {
    const found = await readSettlements(nats, 0)
    return found.at(-1)?.to === last && found
  })
  isOver = true
  await owner.stop()
  const totals = { C: 0, D: 0, L: 0, I: 0 }
  for (const settlement of settlements) {
    for (const counts of Object.values(settlement.totals)) {
      for (const outcome of ['C', 'D', 'L', 'I'] as const) totals[outcome] += counts[outcome]
    }
  }
  expect(totals.D).toBeGreaterThanOrEqual(2 * rounds.length)
  expect(totals.L).toBeGreaterThan(0)

  const ids = () => events.lines().map((line) => (JSON.parse(line) as EventLine).e.id)
  await until('all that counted have come', () => ids().length >= totals.C)
  expect(ids()).toHaveLength(totals.C)
  const inTime = ids().filter((id) => !id.startsWith('late'))
  expect(inTime.sort()).toEqual(Array.from({ length: sent }, (_, i) => `e${i}`).sort())
  type Row = { table?: string; events: number; checkpoint: number }
  const rowsOf = (follower: typeof olap) => follower.lines().map((line) => JSON.parse(line) as Row)
  const eventsIn = (rows: Row[]): number => rows.reduce((sum, { events }) => sum + events, 0)
  const ofTable = (name: string) => rowsOf(olap).filter(({ table }) => table === name)
  await until('their rows have come', () => eventsIn(rowsOf(aggregates)) >= totals.C)
  await until('and those for Druid', () => ofTable('position').length >= settlements.length)
  expect([eventsIn(rowsOf(aggregates)), eventsIn(ofTable('minly'))]).toEqual([totals.C, totals.C])
  const positions = ofTable('position').map(({ checkpoint }) => checkpoint)
  expect(positions.slice(0, settlements.length)).toEqual(settlements.map(({ checkpoint }) => checkpoint))
  await Promise.all([events, aggregates, olap].map((one) => one.stop()))
  await kafka.close()
  await nats.nc.close()
}, 180_000)
