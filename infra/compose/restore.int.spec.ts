import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { connectNats, type Nats } from '#infra/nats/connect.ts'
import { createLogWriter } from '#infra/nats/log.ts'
import { createOlapClient } from '#infra/nats/olap-client.ts'
import { ensureDeployment } from '#infra/nats/setup.ts'
import { startTestNats, type TestNats } from '#infra/testing/nats.ts'
import { ownPartition } from '#infra/testing/pipeline.ts'
import { until } from '#infra/testing/until.ts'
import { definitionState, eventLine } from '#processors/storage/fixtures.ts'
import type { OlapService } from '#schema/olap.ts'

let server: TestNats
let nats: Nats
let data: string
let olap: OlapService
let owner: ReturnType<typeof ownPartition>
const children = new Set<ChildProcess>()

beforeAll(async () => {
  server = await startTestNats()
  nats = await connectNats(server.url, 'test')
  await ensureDeployment(nats, { partitions: 1 })
  data = await mkdtemp(join(tmpdir(), 'millrace-restore-'))
  olap = createOlapClient(nats)
  const { definition } = definitionState('page_views', 'COUNT')
  const record = { kind: 'defineMetric', tenant: 'main', metric: definition } as const
  await createLogWriter(nats.broker).appendControl(0, record, 'define')
  owner = ownPartition(nats)
})
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL')
  await owner.stop()
  await nats.nc.close()
  await server[Symbol.asyncDispose]()
  await rm(data, { recursive: true, force: true })
})

const launch = async (...more: string[]) => {
  const flags = [`--nats-url=${server.url}`, `--data=${data}`, '--partitions=1', '--lease-ms=400', '--archive-ms=100']
  const child = fork(join(import.meta.dirname, 'storage.main.ts'), [...flags, '--log-level=silent', ...more], {
    execArgv: [],
  })
  children.add(child)
  const exited = once(child, 'exit').then(() => children.delete(child))
  const [message] = await once(child, 'message')
  const url = `http://127.0.0.1:${(message as { ports: { admin: number } }).ports.admin}`
  return {
    text: async (path: string) => (await fetch(`${url}${path}`)).text(),
    status: async (path: string) => (await fetch(`${url}${path}`)).status,
    kill: async (signal: NodeJS.Signals) => {
      child.kill(signal)
      await exited
    },
  }
}

let sent = 0
const send = async (frames: number): Promise<void> => {
  for (let frame = 0; frame < frames; frame++) {
    const now = Date.now()
    const events = Array.from({ length: 10 }, () => {
      const e = { userId: 'u', time: new Date(now).toISOString(), properties: { path: `/${sent}`, n: 1.5 } }
      return eventLine(`e${sent++}`, { time: now, receivedAt: now, country: 'NL', key: 'u', e })
    })
    const lines = new TextEncoder().encode(events.map((event) => JSON.stringify(event)).join('\n'))
    const counts = new Map([['main', 10]])
    await createLogWriter(nats.broker).append({ partition: 0, messageId: `f${sent}`, data: lines, counts }, 20_000)
  }
}

const ROWS = 'SELECT * FROM raw_events ORDER BY sequence, "index"'
const rows = async (): Promise<unknown[][]> => (await olap.sql(ROWS)).rows
const lastMessage = async (): Promise<number> => (await nats.broker.range('user_events_0')).last

/** A store with all events, all of them archived as well. */
const stored = async () => {
  const storage = await launch()
  const last = await lastMessage()
  await until('all is stored', async () => (await rows()).length === sent)
  await until('all is archived', async () =>
    (await storage.text('/metrics')).includes(`millrace_archive_sequence{partition="0"} ${last}`),
  )
  const books = await olap.ledger({ tenant: 'main', from: 0, to: Date.now() + 60_000, settledUntil: null })
  const before = await rows()
  await storage.kill('SIGTERM')
  return { before, last, books }
}

it('fills raw events that the log no longer has from the archive, exactly, and is ready again', async () => {
  await send(30)
  const { before, last, books } = await stored()
  expect(books).toMatchObject({ counted: sent, stored: sent, archived: sent })
  // The store is lost, and the log with its events; their settlements and deltas are still there.
  await rm(join(data, 'olap'), { recursive: true })
  await nats.jsm.streams.purge('user_events_0', { seq: last + 1 })
  const first = await launch()
  await until('some are back', async () => (await rows()).length > 0)
  await first.kill('SIGKILL')
  const storage = await launch()
  await until('all are back', async () => (await rows()).length === sent)
  expect(await rows()).toEqual(before)
  const [hole, ...others] = await olap.holes()
  expect(others).toEqual([])
  expect(hole).toMatchObject({ events: sent, aggregates: true, restored: { to: hole.lastSequence, events: sent } })
  await until('it is ready', async () => (await storage.status('/readyz')) === 200)
  expect(await storage.text('/metrics')).toContain('millrace_store_missing_messages{partition="0"} 0')
  await storage.kill('SIGTERM')
})

it('says what stays missing where the settlements are gone as well', async () => {
  await send(10)
  const { before, last } = await stored()
  await rm(join(data, 'olap'), { recursive: true })
  await nats.jsm.streams.purge('user_events_0', { seq: last + 1 })
  await nats.jsm.streams.purge('KV_window_state_0', { filter: 'settled.0' })
  await send(1)
  const storage = await launch()
  await until('all are back', async () => (await rows()).length === sent)
  expect((await rows()).slice(0, before.length)).toEqual(before)
  expect(await storage.text('/readyz')).toMatch(
    new RegExp(`messages 1 to ${last} .*points of metrics lack them; ${before.length} of them are in raw_events again`),
  )
  await olap.acknowledgeHoles()
  await until('it is ready', async () => (await storage.status('/readyz')) === 200)
  await storage.kill('SIGTERM')
})

it('stores although its archive cannot be opened, and says so', async () => {
  const blocked = join(data, 'a-file')
  await writeFile(blocked, '')
  const storage = await launch(`--archive=${blocked}`)
  await send(1)
  await until('it is stored', async () => (await rows()).length === sent)
  const problem = `the archive at ${blocked} cannot be opened`
  await until('it says why', async () => (await storage.text('/readyz')).includes(problem))
  await storage.kill('SIGTERM')
})
