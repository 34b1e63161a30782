import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { headers } from '@nats-io/transport-node'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createDuckDbOlap } from '#infra/duckdb/olap.ts'
import type { OlapWriter } from '#processors/ports.ts'
import { startStorage } from '#processors/storage/storage.ts'
import type { ControlRecord } from '#schema/frame.ts'
import { HEADERS, logSubject } from '#schema/subjects.ts'
import { startTestNats, type TestNats } from '../testing/nats.ts'
import { collectorOn, ownPartition } from '../testing/pipeline.ts'
import { connectNats, type Nats } from './connect.ts'
import { createLogWriter } from './log.ts'
import { createCheckpointFeed, createOutputFeed } from './outputs.ts'
import { ensureDeployment } from './setup.ts'

const VIEWS: ControlRecord = {
  kind: 'defineMetric',
  tenant: 'main',
  metric: {
    name: 'views',
    event: '*',
    where: [],
    measure: { kind: 'COUNT' },
    dimensions: [],
    windows: [{ kind: 'TUMBLING', sizeMs: 3_600_000 }],
    version: 1,
  },
}
const silent = { info() {}, warn() {}, error() {} }
const PATIENCE = { timeout: 30_000 }

let server: TestNats
let nats: Nats
let folder: string
let olap: OlapWriter
beforeEach(async () => {
  server = await startTestNats()
  nats = await connectNats(server.url, 'test')
  await ensureDeployment(nats, { partitions: 1 })
  await createLogWriter(nats.broker).appendControl(0, VIEWS, 'define')
  folder = await mkdtemp(join(tmpdir(), 'millrace-poison-'))
  olap = await createDuckDbOlap({ folder, partitions: 1, logger: silent })
})
afterEach(async () => {
  await olap.close()
  await nats.nc.close()
  await server[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

/** Written straight into the log, as somebody would who has access to the server. */
const write = async (data: string | Uint8Array, fields: Record<string, string> = {}): Promise<void> => {
  const set = headers()
  for (const [name, value] of Object.entries(fields)) set.set(name, value)
  await nats.js.publish(logSubject(0), data, { headers: set })
}
const control = (data: string): Promise<void> => write(data, { [HEADERS.kind]: 'control' })

const now = Date.now()
const line = (fields: object = {}, e: object = {}): string =>
  JSON.stringify({
    tenant: 'main',
    source: 'live',
    receivedAt: now,
    time: now,
    key: 'k',
    weight: 1,
    schema: 0,
    ...fields,
    e: { id: 'foreign', name: 'view', ...e },
  })
const deep = line({}, { properties: { a: 0 } }).replace('"a":0', `"a":${'['.repeat(30_000)}${']'.repeat(30_000)}`)

const FRAMES: (string | Uint8Array)[] = [
  '',
  '\n\n\n',
  ' ',
  Uint8Array.of(0xff, 0xfe, 0, 0x80, 0xc0, 0xaf),
  new Uint8Array(1_000_000).fill(0xff),
  'x'.repeat(1_000_000),
  line().slice(0, -5),
  '[]\nnull\n5\n"x"\n{}',
  [line({ tenant: 'a b' }), line({ tenant: 'a.b' }), line({ tenant: '>' }), line({ source: 'x y' })].join('\n'),
  [line({ time: 1e300 }), line({ receivedAt: 'now' }), line({ weight: -1 }), line({ country: {} })].join('\n'),
  [
    line({}, { id: 7 }),
    line({}, { name: 'no name' }),
    line({}, { properties: 'x' }),
    line().replace(/"e":.*/, '"e":null}'),
  ].join('\n'),
  line({}, { properties: { a: 'X' } }).replace('X', '\\ud83d'),
  deep,
  line({}, { properties: { a: 'x'.repeat(900_000) } }),
  Array.from({ length: 20_000 }, () => 'x').join('\n'),
]
const textOf = (frame: string | Uint8Array): string =>
  typeof frame === 'string' ? frame : new TextDecoder().decode(frame)
const BAD_LINES = FRAMES.flatMap((frame) => textOf(frame).split('\n')).filter((text) => text !== '').length

const CONTROLS = ['', '{', 'null', '[]', '{"kind":"futureKind"}', '{"kind":"tick"}', '{"kind":"defineMetric"}']

const countOf = async (sql: string): Promise<number> => Number((await olap.sql(sql)).rows[0][0])
const storeAll = () =>
  startStorage({
    writer: olap,
    feed: createOutputFeed(nats.broker),
    clock: { now: Date.now, monotonic: () => performance.now() },
    logger: silent,
    metrics: { written() {} },
    onFatal(error) {
      throw error
    },
  })

test('whatever is written into the log beside the gateways, partition and store go on', async () => {
  const { collect } = collectorOn(nats)
  const owner = ownPartition(nats)
  const storage = await storeAll()
  for (const [i, frame] of FRAMES.entries()) {
    await write(frame)
    await collect({ tenant: 'main', events: [{ id: `good-${i}`, name: 'view' }] })
  }
  for (const record of CONTROLS) await control(record)
  await write(line({}, { id: 'no-headers' }))
  await write(line({}, { id: 'odd-headers' }), {
    [HEADERS.format]: 'x',
    [HEADERS.kind]: 'y',
    [HEADERS.counts]: ',,=',
    [HEADERS.received]: 'main@9999999999999=3,@=',
    traceparent: 'z',
  })
  await collect({ tenant: 'main', events: [{ id: 'last', name: 'view' }] })
  await vi.waitFor(
    async () => expect(await countOf(`SELECT count(*) FROM raw_events WHERE id = 'last'`)).toBe(1),
    PATIENCE,
  )

  const counted = FRAMES.length + 3
  expect(await countOf('SELECT count(DISTINCT id) FROM raw_events')).toBe(counted)
  expect(await countOf(`SELECT sum(value) FROM hourly_points WHERE metric = 'views'`)).toBe(counted)
  const of = (code: string) => countOf(`SELECT count(*) FROM dead_letters WHERE code = '${code}'`)
  expect(await of('INVALID')).toBe(BAD_LINES)
  expect(await of('CONTROL')).toBe(CONTROLS.length)
  expect(
    await countOf(`SELECT count(*) FROM dead_letters WHERE code = 'INVALID' AND message NOT LIKE '%: expected %'`),
  ).toBe(0)
  const { nodes } = await olap.deadLetters({ tenant: 'unknown', filter: { code: 'CONTROL' }, first: 100 })
  expect(nodes.map(({ event }) => event).sort()).toEqual([...CONTROLS].sort())
  expect(storage.problems()).toEqual([])
  await Promise.all([owner.stop(), storage.stop()])
})

test('a frame of a newer format stops the partition in words, and nothing after it is skipped', async () => {
  const failures: string[] = []
  const owner = ownPartition(nats, { onFailure: (error) => failures.push(String(error)) })
  await write(line({}, { id: 'newer' }), { [HEADERS.format]: '99' })
  await collectorOn(nats).collect({ tenant: 'main', events: [{ id: 'after', name: 'view' }] })
  await vi.waitFor(() => expect(failures).toHaveLength(1), PATIENCE)
  expect(failures[0]).toContain('message 2 of the log has format 99; this version reads up to 1')
  expect(owner.committed()?.sequence ?? 1).toBe(1)
  await owner.stop()
})

test('a client that names a source of its own for each event does not stop the partition', async () => {
  const sources = 9_000
  for (let at = 0; at < sources; at += 1_500) {
    const lines = Array.from({ length: 1_500 }, (_, i) =>
      line({ source: `import-${at + i}-${'x'.repeat(100)}` }, { id: `${at + i}` }),
    )
    await write(lines.join('\n'))
  }
  const owner = ownPartition(nats, { importIdleMs: 100 })
  const feed = createCheckpointFeed(nats.broker)
  const counted = async () => (await feed.load(0))?.rows.reduce((sum, { events }) => sum + events, 0)
  await vi.waitFor(async () => expect(await counted()).toBe(sources), PATIENCE)
  // Nor does it keep the others' windows open: all its clocks are told to be idle.
  const idle = async () => (await feed.load(0))?.clocks.filter((clock) => clock.idle).length
  await vi.waitFor(async () => {
    expect(await idle()).toBe(sources)
  }, PATIENCE)
  await owner.stop()
})
