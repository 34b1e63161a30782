import { type ChildProcess, execFile, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest'
import { connectNats, type Nats } from '#infra/nats/connect.ts'
import { createLogWriter, createPartitionLog } from '#infra/nats/log.ts'
import { createOlapClient } from '#infra/nats/olap-client.ts'
import { createReports } from '#infra/nats/reports.ts'
import { ensureDeployment } from '#infra/nats/setup.ts'
import { createStateStore } from '#infra/nats/state.ts'
import { startTestNats, type TestNats } from '#infra/testing/nats.ts'
import { runPartition } from '#processors/runtime/owner.ts'
import { definitionState, eventLine } from '#processors/storage/fixtures.ts'
import type { OlapReader } from '#schema/olap.ts'

const PARTITIONS = 2
const LEASE_MS = 600
const silent = { info() {}, warn() {}, error() {} }

let server: TestNats
let nats: Nats
let data: string
let olap: OlapReader
const processor = new AbortController()
let owners: Promise<void>[]
const children = new Set<ChildProcess>()

/** Events flow through real partitions, owned by this process; storage is a process of its own. */
beforeAll(async () => {
  server = await startTestNats()
  nats = await connectNats(server.url, 'test')
  await ensureDeployment(nats, { partitions: PARTITIONS })
  data = await mkdtemp(join(tmpdir(), 'millrace-storage-'))
  olap = createOlapClient(nats)
  const { definition } = definitionState('page_views', 'COUNT')
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const record = { kind: 'defineMetric', tenant: 'main', metric: definition } as const
    await createLogWriter(nats.broker).appendControl(partition, record, `define-${partition}`)
  }
  owners = Array.from({ length: PARTITIONS }, (_, partition) =>
    runPartition(
      {
        partition,
        owner: 'test',
        log: createPartitionLog(nats.broker, partition),
        state: createStateStore(nats.broker, partition),
        reports: { publish() {}, partitions: () => [] },
        seed: Uint32Array.of(1, 2, 3, 4),
        settings: { checkpointMs: 10, liveIdleMs: 3_600_000, importIdleMs: 3_600_000 },
        clock: { now: Date.now, monotonic: () => performance.now() },
        logger: silent,
        metrics: { checkpoint() {}, hole() {} },
      },
      processor.signal,
    ),
  )
})
/** What a test that failed has left would hold the lease. */
afterEach(async () => {
  const left = [...children]
  const gone = left.map((child) => once(child, 'exit'))
  for (const child of left) child.kill('SIGKILL')
  await Promise.all(gone)
})
afterAll(async () => {
  processor.abort()
  await Promise.all(owners)
  await nats.nc.close()
  await server[Symbol.asyncDispose]()
  await rm(data, { recursive: true })
})

const launch = (...more: string[]) => {
  const flags = [
    `--nats-url=${server.url}`,
    `--data=${data}`,
    `--partitions=${PARTITIONS}`,
    `--lease-ms=${LEASE_MS}`,
    '--archive=none',
    ...more,
  ]
  const child = fork(join(import.meta.dirname, 'storage.main.ts'), [...flags, '--log-level=silent'], { execArgv: [] })
  children.add(child)
  const exited = once(child, 'exit').then(([code]) => {
    children.delete(child)
    return code as number | null
  })
  const ready = once(child, 'message').then(([message]) => (message as { ports: { admin: number } }).ports.admin)
  return { child, exited, ready }
}

let sent = 0
/** Frames of ten new events in both partitions. */
const send = async (frames: number): Promise<void> => {
  for (let frame = 0; frame < frames; frame++) {
    const now = Date.now()
    const lines = Array.from({ length: 10 }, () =>
      JSON.stringify(eventLine(`e${sent++}`, { time: now, receivedAt: now, country: 'NL' })),
    )
    await createLogWriter(nats.broker).append(
      {
        partition: frame % PARTITIONS,
        messageId: `frame-${sent}`,
        data: new TextEncoder().encode(lines.join('\n')),
        counts: new Map([['main', 10]]),
      },
      20_000,
    )
  }
}

const COUNTS = `SELECT (SELECT count(*) FROM raw_events), (SELECT count(DISTINCT id) FROM raw_events),
  (SELECT sum(value) FROM minly_points WHERE metric = 'page_views')`
/** Patience for a busy machine; what is awaited comes in milliseconds. */
const eventually = <T>(check: () => Promise<T>): Promise<T> => vi.waitFor(check, { timeout: 30_000, interval: 20 })
const stored = async (): Promise<number> => Number((await olap.sql(COUNTS)).rows[0][0])
const expectAll = (): Promise<void> =>
  eventually(async () => expect((await olap.sql(COUNTS)).rows).toEqual([[sent, sent, sent]]))

it('stores what was settled before it started and while it runs, and tells how it is', async () => {
  await send(4)
  const { child, ready, exited } = launch()
  const url = `http://127.0.0.1:${await ready}`
  await send(4)
  await expectAll()
  expect((await fetch(`${url}/readyz`)).status).toBe(200)
  expect((await fetch(`${url}/healthz`)).status).toBe(200)
  const metrics = await (await fetch(`${url}/metrics`)).text()
  expect(metrics).toContain(`millrace_stored_events_total ${sent}`)
  expect(metrics).toMatch(/millrace_store_checkpoint\{partition="1"\} [1-9]/)
  const reports = createReports(nats.broker)
  await eventually(async () => expect(reports.storage()).toMatchObject({ deadLetters: 0 }))
  expect(reports.storage()?.positions).toEqual(await olap.positions())
  reports.stop()
  child.kill('SIGTERM')
  expect(await exited).toBe(0)
})

it('stores every event once through several kills in the middle of writes', async () => {
  for (let round = 0; round < 3; round++) {
    const { child, ready, exited } = launch()
    await ready
    const before = await stored()
    const sending = send(30)
    await eventually(async () => expect(await stored()).toBeGreaterThan(before))
    child.kill('SIGKILL')
    await Promise.all([exited, sending])
  }
  const { child, ready, exited } = launch()
  await ready
  await expectAll()
  child.kill('SIGTERM')
  expect(await exited).toBe(0)
  expect((await readdir(join(data, 'olap'))).filter((name) => name.includes('damaged'))).toEqual([])
})

it('waits while another one holds the lease, says so, and takes over when that one is gone', async () => {
  const first = launch()
  await first.ready
  const second = launch()
  let ready = false
  void second.ready.then(() => {
    ready = true
  })
  await send(2)
  await expectAll()
  expect(ready).toBe(false)
  first.child.kill('SIGKILL')
  await first.exited
  await send(2)
  await second.ready
  await expectAll()
  second.child.kill('SIGTERM')
  expect(await second.exited).toBe(0)
})

it('writes the books when Druid is away, which it says whoever asks', async () => {
  const { child, ready, exited } = launch('--druid-url=http://127.0.0.1:9', '--kafka-port=9092')
  const url = `http://127.0.0.1:${await ready}`
  await send(2)
  await eventually(async () => expect((await olap.totals('main')).stored).toBe(sent))
  const series = { tenant: 'main', metric: 'page_views', version: 1, size: 60_000 }
  const away = { code: 'UNAVAILABLE', message: expect.stringContaining('Druid does not answer') }
  await expect(olap.aggregates({ ...series, from: 0, to: Date.now() })).rejects.toMatchObject(away)
  await expect(olap.sql('SELECT 1')).rejects.toMatchObject(away)
  await eventually(async () => {
    const response = await fetch(`${url}/readyz`)
    expect([response.status, await response.text()]).toEqual([
      503,
      expect.stringContaining('Druid does not take the specs'),
    ])
  })
  expect(await (await fetch(`${url}/metrics`)).text()).toContain('millrace_druid_checkpoint{partition="1"} 0')
  child.kill('SIGTERM')
  expect(await exited).toBe(0)
})

it('alarms with the exact hole, stores what comes after it, and is ready again once it is acknowledged', async () => {
  const { head } = await createStateStore(nats.broker, 0).head()
  await nats.jsm.streams.purge('KV_window_state_0', { filter: 'settled.0' })
  await rm(join(data, 'olap'), { recursive: true })
  const { child, ready, exited } = launch()
  const url = `http://127.0.0.1:${await ready}`
  await send(2)
  const hole = `messages 1 to ${head?.sequence} of the log (checkpoints 1 to ${head?.checkpoint}`
  await eventually(async () => {
    const response = await fetch(`${url}/readyz`)
    expect([response.status, await response.text()]).toEqual([503, expect.stringContaining(hole)])
  })
  await eventually(async () => {
    const sql = 'SELECT count(*) FILTER ("partition" = 0), count(*) FILTER ("partition" = 1) FROM raw_events'
    expect((await olap.sql(sql)).rows).toEqual([[10, sent / 2]])
  })
  const metrics = async () => (await fetch(`${url}/metrics`)).text()
  expect(await metrics()).toContain(`millrace_store_missing_messages{partition="0"} ${head?.sequence}`)
  const holes = join(import.meta.dirname, '../../scripts/holes/holes.main.ts')
  const { stdout } = await promisify(execFile)(process.execPath, [holes, `--nats=${server.url}`, '--acknowledge'])
  expect(stdout).toContain(hole)
  expect((await fetch(`${url}/readyz`)).status).toBe(200)
  expect(await metrics()).toContain('millrace_store_missing_messages{partition="0"} 0')
  child.kill('SIGTERM')
  expect(await exited).toBe(0)
})
