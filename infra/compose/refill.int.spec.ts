import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { createLiveView, type LiveView } from '#gateway/live/live-view.ts'
import type { CheckpointFeed, MetricStore } from '#gateway/ports.ts'
import { createDuckDbOlap } from '#infra/duckdb/olap.ts'
import { NEWEST_ROW, SESSION_KEY } from '#infra/duckdb/session-tables.ts'
import { connectNats, type Nats } from '#infra/nats/connect.ts'
import { createLogWriter, createPartitionLog } from '#infra/nats/log.ts'
import { createCheckpointFeed, createOutputFeed } from '#infra/nats/outputs.ts'
import { ensureDeployment } from '#infra/nats/setup.ts'
import { createStateStore } from '#infra/nats/state.ts'
import { startTestNats, type TestNats } from '#infra/testing/nats.ts'
import type { OlapWriter } from '#processors/ports.ts'
import { runPartition } from '#processors/runtime/owner.ts'
import { eventLine } from '#processors/storage/fixtures.ts'
import { startStorage } from '#processors/storage/storage.ts'
import type { SessionRow } from '#schema/checkpoint.ts'
import { SESSION_END } from '#schema/event.ts'
import type { ControlRecord } from '#schema/frame.ts'
import type { MetricDefinition } from '#schema/metric.ts'
import { logStream, settledSubject, stateStream } from '#schema/subjects.ts'

const PARTITIONS = 2
const MINUTE = 60_000
const GAP = 150_000
const BASE = Math.floor(Date.now() / 3_600_000) * 3_600_000 - 6 * 3_600_000
const KILLS = join(import.meta.dirname, 'fixtures/store-until-killed.ts')
const encoder = new TextEncoder()
const logger = { info() {}, warn() {}, error() {} }

const metrics = { get: () => undefined, onChange: () => () => {} } as unknown as MetricStore

let server: TestNats
let nats: Nats
let folder: string
let processing: { stop(): Promise<void> }
beforeEach(async () => {
  server = await startTestNats()
  nats = await connectNats(server.url, 'test')
  await ensureDeployment(nats, { partitions: PARTITIONS })
  folder = await mkdtemp(join(tmpdir(), 'millrace-refill-'))
  frames = 0
  processing = startProcessing()
})
afterEach(async () => {
  await processing.stop()
  await nats.nc.close()
  await server[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

/** The real runtime on all partitions, with a checkpoint for every frame or two. */
const startProcessing = () => {
  const stop = new AbortController()
  const owners = Array.from({ length: PARTITIONS }, (_, partition) =>
    runPartition(
      {
        partition,
        owner: 'test',
        log: createPartitionLog(nats.broker, partition),
        state: createStateStore(nats.broker, partition),
        reports: { publish() {}, partitions: () => [] },
        seed: Uint32Array.of(1, 2, 3, 4),
        settings: { checkpointMs: 5, liveIdleMs: 3_600_000, importIdleMs: 3_600_000 },
        clock: { now: Date.now, monotonic: () => performance.now() },
        logger,
        metrics: { checkpoint() {}, hole() {} },
      },
      stop.signal,
    ),
  )
  return {
    async stop() {
      stop.abort()
      await Promise.all(owners)
    },
  }
}

const metric = (name: string, version: number, over: Partial<MetricDefinition> = {}): ControlRecord => ({
  kind: 'defineMetric',
  tenant: 'main',
  metric: {
    name,
    event: '*',
    where: [],
    measure: { kind: 'COUNT' },
    dimensions: ['country'],
    windows: [MINUTE, 60 * MINUTE].map((sizeMs) => ({ kind: 'TUMBLING', sizeMs })),
    version,
    ...over,
  },
})

let frames = 0
const control = async (record: ControlRecord): Promise<void> => {
  for (let partition = 0; partition < PARTITIONS; partition++) {
    await createLogWriter(nats.broker).appendControl(partition, record, `control-${frames++}`)
  }
}

/** Some come back, so that sessions grow, end, go on, begin earlier and become one. */
const keyOf = (partition: number, frame: number, n: number): string => {
  if (n >= 1 && n <= 3) return `visitor-${partition}-${frame % 3}`
  return n === 5 ? `session-e${frame - 2}-0` : `session-e${frame}-${n}`
}

/** Frames of every kind of event: new, again, before the watermark, late, of several sources and tenants, unreadable. */
const send = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) {
    const frame = frames++
    const partition = (frame >> 1) % PARTITIONS
    const now = BASE + frame * 20_000
    const lines = Array.from({ length: 8 }, (_, n) => {
      const back = n === 3 ? 3 * MINUTE : n === 4 ? 40 * MINUTE : n * 1_000
      return JSON.stringify(
        eventLine(n === 5 ? `e${frame - 2}-0` : `e${frame}-${n}`, {
          tenant: n === 6 ? 'other' : 'main',
          source: n === 7 ? 'import' : 'live',
          key: keyOf(partition, frame, n),
          receivedAt: now,
          time: now - back,
          country: ['NL', 'DE', 'FR'][(frame + n) % 3],
          e: { name: n % 2 ? 'click' : 'page_view', userId: `u${(frame * n) % 17}`, properties: { bytes: 0.5 * n } },
        }),
      )
    })
    if (frame % 10 === 0) lines.push('{"no event')
    const data = encoder.encode(lines.join('\n'))
    const counts = new Map([['main', 8]])
    await createLogWriter(nats.broker).append({ partition, messageId: `frame-${frame}`, data, counts }, 20_000)
  }
}

const heads = () =>
  Promise.all(Array.from({ length: PARTITIONS }, async (_, p) => (await createStateStore(nats.broker, p).head()).head))
/** Patience for a busy machine; what is awaited comes in milliseconds. */
const eventually = <T>(check: () => Promise<T> | T): Promise<T> => vi.waitFor(check, { timeout: 40_000, interval: 20 })

/** Resolves with the newest checkpoints when all of the log is settled. */
const settled = (): Promise<number[]> =>
  eventually(async () => {
    const [now, ends] = [await heads(), await logEnds()]
    expect(now.map((head) => head?.sequence)).toEqual(ends)
    return now.map((head) => head?.checkpoint ?? 0)
  })
const logEnds = () =>
  Promise.all(Array.from({ length: PARTITIONS }, async (_, p) => (await nats.broker.range(logStream(p))).last))

const openStore = async (name: string) => {
  const olap = await createDuckDbOlap({ folder: join(folder, name), partitions: PARTITIONS, logger })
  const storage = await startStorage({
    writer: olap,
    feed: createOutputFeed(nats.broker),
    clock: { now: Date.now, monotonic: () => performance.now() },
    logger,
    metrics: { written() {} },
    onFatal: (error) => {
      throw error
    },
    settings: { flushMs: 10 },
  })
  return {
    olap,
    storage,
    /** Resolves when all that is settled is stored. */
    async reached(): Promise<void> {
      const positions = await settled()
      await eventually(() => expect(storage.positions()).toEqual(positions))
    },
    async close(): Promise<void> {
      await storage.stop()
      await olap.close()
    },
  }
}

const merged = (table: string): string => `
  SELECT tenant, metric, version, size_ms, window_start, dims, sum(events), sum(corrections), max(corrected_at),
    fsum(n), fsum("sum"), min("min"), max("max"), list_sort(list_distinct(flatten(list(members) FILTER (members IS NOT NULL)))), sum(revisions)
  FROM ${table} GROUP BY ALL ORDER BY ALL`

/** Everything that a store says, but for when that was written. */
const contents = async (olap: OlapWriter): Promise<Record<string, unknown[][]>> => {
  const questions = {
    raw: 'FROM raw_events ORDER BY ALL',
    dead: 'SELECT * EXCLUDE (stored_at) FROM dead_letters ORDER BY ALL',
    minutes: 'FROM minly_points ORDER BY ALL',
    hours: 'FROM hourly_points ORDER BY ALL',
    minuteDeltas: merged('minly_aggs'),
    hourDeltas: merged('hourly_aggs'),
    counters: 'SELECT tenant, name, sum(value) FROM counters GROUP BY ALL ORDER BY ALL',
    metrics: 'FROM metrics ORDER BY ALL',
    sessionPoints: 'FROM session_points ORDER BY ALL',
    sessions: 'FROM sessions ORDER BY ALL',
    sessionRows: `SELECT * EXCLUDE (stored_at, merged) FROM session_aggs WHERE rowid IN (
      SELECT ${NEWEST_ROW} FROM session_aggs GROUP BY ${SESSION_KEY}) ORDER BY ALL`,
    positions: 'FROM positions ORDER BY ALL',
    state: 'FROM fold_state ORDER BY ALL',
    holes: 'SELECT * EXCLUDE (found_at) FROM holes ORDER BY ALL',
  }
  const entries = Object.entries(questions).map(async ([name, sql]) => [name, (await olap.sql(sql)).rows] as const)
  return Object.fromEntries(await Promise.all(entries))
}

const defineAll = async (): Promise<void> => {
  await control(metric('views', 1))
  await control(metric('bytes', 1, { measure: { kind: 'SUM', field: 'properties.bytes' }, event: 'click' }))
  await control(metric('users', 1, { measure: { kind: 'UNIQUES', field: 'userId' }, dimensions: [] }))
  await control(metric('brief', 1))
  await control(metric('visits', 1, { windows: [{ kind: 'SESSION', gapMs: GAP }] }))
  const seconds = { kind: 'SUM', field: 'properties.seconds' } as const
  await control(metric('ended', 1, { event: SESSION_END, sessionGapMs: GAP, measure: seconds }))
}

/** What storage is away for: definitions, settings and clocks change on the way. */
const meanwhile = async (): Promise<void> => {
  await send(40)
  await control({ kind: 'tenant', tenant: 'main', version: 1, latenessHorizonMs: 5 * MINUTE, outOfOrdernessMs: 90_000 })
  await control(metric('views', 2, { event: 'page_view' }))
  await send(40)
  await control({ kind: 'deleteMetric', tenant: 'main', name: 'brief', version: 2 })
  const clocks = [{ tenant: 'other', source: 'live', watermark: BASE + frames * 20_000 + 5 * MINUTE }]
  await control({ kind: 'tick', clocks })
  await send(40)
}

const purgeDeltas = async (): Promise<void> => {
  for (let p = 0; p < PARTITIONS; p++) await nats.broker.purge(stateStream(p), 'aggregates.>')
}

/** Storage is stopped, the log goes on, and another storage misses nothing. */
const away = async () => {
  const undisturbed = await openStore('undisturbed')
  const first = await openStore('away')
  await defineAll()
  await send(20)
  await first.reached()
  const before = await first.olap.partitions()
  await first.close()
  await meanwhile()
  await undisturbed.reached()
  return { undisturbed, before }
}

const number = async (olap: OlapWriter, sql: string): Promise<number> => Number((await olap.sql(sql)).rows[0][0])

/** What the list of corrections adds up to, whatever was written together, and what points say of themselves. */
const LISTED = `SELECT tenant, metric, window_start, dims, sum(events) FROM corrections
  SEMI JOIN (FROM metrics WHERE NOT deleted) USING (tenant, metric, version)
  WHERE window_end - window_start = INTERVAL 1 MINUTE GROUP BY ALL ORDER BY ALL`
const CORRECTED =
  'SELECT tenant, metric, window_start, dims, corrections FROM minly_points WHERE corrections > 0 ORDER BY ALL'

type Store = Awaited<ReturnType<typeof openStore>>

/** Once the processor's own rows are read again, also of sessions that a hole had cut, and nothing lies within them. */
const expectSameOpenSessions = async (store: Store, undisturbed: Store): Promise<void> => {
  await store.reached()
  await undisturbed.reached()
  const open = await undisturbed.olap.openSessions(0)
  expect(open.length).toBeGreaterThan(10)
  const nameOf = ({ metric, version, gap, source, session }: SessionRow): string =>
    [metric, version, gap, source, session].join()
  const isWithin = (row: SessionRow): boolean =>
    open.some((one) => nameOf(one) === nameOf(row) && row.start >= one.start && row.start < one.end)
  expect((await store.olap.openSessions(0)).filter(isWithin)).toEqual(open)
}

it('refills deltas that have expired exactly, through kills on the way', async () => {
  const { undisturbed, before } = await away()
  await purgeDeltas()
  await send(20)
  // A write holds a checkpoint of one partition, or of both: so some are left for the last to refill.
  const missing = (await settled()).reduce((sum, checkpoint, p) => sum + checkpoint - before[p].checkpoint, 0)
  for (const writes of [1, Math.ceil(missing / 4), Math.ceil(missing / 8)]) {
    const child = fork(KILLS, [server.url, join(folder, 'away'), String(PARTITIONS)], { execArgv: [] })
    let seen = 0
    const enough = Promise.withResolvers<void>()
    child.on('message', () => ++seen >= writes && enough.resolve())
    await enough.promise
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }
  const second = await openStore('away')
  await eventually(() => expect(second.storage.problems().join()).toMatch(/anew from the log, at checkpoint \d+ of/))
  await second.reached()
  expect(second.storage.problems()).toEqual([])
  await undisturbed.reached()
  const [expected, refilled] = [await contents(undisturbed.olap), await contents(second.olap)]
  for (const [name, rows] of Object.entries(expected)) expect([name, refilled[name]]).toEqual([name, rows])
  expect(expected.dead.length).toBeGreaterThan(20)
  expect(await number(undisturbed.olap, 'SELECT count(*) FROM session_points')).toBeGreaterThan(30)
  expect(await number(undisturbed.olap, 'SELECT count(*) FROM session_aggs WHERE retracted')).toBeGreaterThan(10)
  const ended = `SELECT sum(events) FROM minly_points WHERE metric = 'ended'`
  expect(await number(undisturbed.olap, ended)).toBe(
    await number(second.olap, 'SELECT sum(has_ended::INT) FROM sessions'),
  )
  expect(expected.holes).toEqual([])
  expect(expected.state.filter(([, kind]) => kind === 'tenant')).toHaveLength(PARTITIONS)
  expect(await number(undisturbed.olap, 'SELECT sum(corrections) FROM minly_aggs')).toBeGreaterThan(20)
  const listed = await second.olap.sql(LISTED)
  expect(listed.rows.length).toBeGreaterThan(20)
  expect(listed.rows).toEqual((await undisturbed.olap.sql(CORRECTED)).rows)
  expect((await undisturbed.olap.sql(LISTED)).rows).toEqual(listed.rows)
  await second.close()
  await undisturbed.close()
})

it('is done with a refill also when nothing comes after it', async () => {
  const { undisturbed } = await away()
  await purgeDeltas()
  const second = await openStore('away')
  await second.reached()
  expect(second.storage.problems()).toEqual([])
  expect(await contents(second.olap)).toEqual(await contents(undisturbed.olap))
  await second.close()
  await undisturbed.close()
})

it.each([true, false])(
  'says exactly what expired from the log before it was stored, and stores the rest (deltas there: %s)',
  async (aggregates) => {
    const { undisturbed, before } = await away()
    const [firstSequence, lastSequence] = [before[0].sequence + 1, before[0].sequence + 31]
    await nats.jsm.streams.purge(logStream(0), { seq: lastSequence + 1 })
    if (!aggregates) await purgeDeltas()
    const second = await openStore('away')
    await second.reached()
    await undisturbed.reached()
    const lost = `FROM raw_events WHERE "partition" = 0 AND sequence BETWEEN ${firstSequence} AND ${lastSequence}`
    const events = await number(undisturbed.olap, `SELECT count(*) ${lost}`)
    const hole = { partition: 0, firstSequence, lastSequence, events, lostBy: 'STORE', aggregates }
    expect(events).toBeGreaterThan(100)
    expect(second.storage.holes()).toMatchObject([{ ...hole, firstCheckpoint: before[0].checkpoint + 1 }])
    const told = `messages ${firstSequence} to ${lastSequence} of the log`
    expect(second.storage.problems()).toEqual([expect.stringContaining(told)])

    const rows = 'SELECT count(*) FROM raw_events'
    expect(await number(second.olap, rows)).toBe((await number(undisturbed.olap, rows)) - events)
    expect(await number(second.olap, `SELECT count(*) ${lost}`)).toBe(0)
    // The metric without conditions: every event of the tenant that is in the points.
    const folded = `SELECT sum(events) FROM minly_aggs WHERE metric = 'users'`
    const unfolded = aggregates ? 0 : await number(undisturbed.olap, `SELECT count(*) ${lost} AND tenant = 'main'`)
    expect(await number(second.olap, folded)).toBe((await number(undisturbed.olap, folded)) - unfolded)
    const whole = ['dead', 'counters', 'metrics', 'positions', ...(aggregates ? ['minuteDeltas', 'hourDeltas'] : [])]
    const [expected, found] = [await contents(undisturbed.olap), await contents(second.olap)]
    for (const name of whole) expect([name, found[name]]).toEqual([name, expected[name]])
    await send(4)
    await expectSameOpenSessions(second, undisturbed)
    await second.close()
    await undisturbed.close()
  },
)

it('goes on behind checkpoints of which nothing is left, with the definitions of now', async () => {
  const { undisturbed, before } = await away()
  const lastSequence = (await logEnds())[0]
  const lastCheckpoint = (await settled())[0]
  await nats.jsm.streams.purge(logStream(0), { seq: lastSequence + 1 })
  await nats.broker.purge(stateStream(0), settledSubject(0))
  await nats.broker.purge(stateStream(0), 'aggregates.>')
  const second = await openStore('away')
  await second.reached()
  const { checkpoint, sequence } = before[0]
  const hole = {
    partition: 0,
    firstCheckpoint: checkpoint + 1,
    lastCheckpoint,
    firstSequence: sequence + 1,
    lastSequence,
  }
  expect(second.storage.holes()).toMatchObject([{ ...hole, events: null, lostBy: 'STORE', aggregates: false }])
  await send(20)
  await second.reached()
  await undisturbed.reached()
  const since = `FROM raw_events WHERE "partition" = 1 OR sequence > ${lastSequence} ORDER BY ALL`
  expect((await second.olap.sql(since)).rows).toEqual((await undisturbed.olap.sql(since)).rows)
  const [expected, found] = [await contents(undisturbed.olap), await contents(second.olap)]
  for (const name of ['metrics', 'positions', 'state']) expect([name, found[name]]).toEqual([name, expected[name]])
  await expectSameOpenSessions(second, undisturbed)
  await second.close()
  await undisturbed.close()
})

it('alarms until an operator has taken note, also of what no processor had read', async () => {
  const store = await openStore('store')
  await defineAll()
  await send(10)
  await store.reached()
  const [end] = await logEnds()
  await processing.stop()
  await send(40)
  const lastSequence = (await logEnds())[0] - 3
  await nats.jsm.streams.purge(logStream(0), { seq: lastSequence + 1 })
  processing = startProcessing()
  await store.reached()
  const hole = {
    partition: 0,
    firstSequence: end + 1,
    lastSequence,
    events: null,
    lostBy: 'PROCESSOR',
    aggregates: false,
  }
  expect(store.storage.holes()).toMatchObject([hole])
  expect(store.storage.problems()).toEqual([expect.stringContaining('they count nowhere')])
  expect(await store.storage.acknowledgeHoles()).toBe(1)
  expect(store.storage.problems()).toEqual([])
  await store.close()
  const again = await openStore('store')
  expect(again.storage.problems()).toEqual([])
  expect(again.storage.holes()).toMatchObject([hole])
  await again.close()
})

it('loads a live view anew that was away for longer than deltas are kept', async () => {
  const feed = createCheckpointFeed(nats.broker)
  await defineAll()
  await send(20)
  await settled()
  const before = await Promise.all([feed.load(0), feed.load(1)])
  await meanwhile()
  const positions = await settled()
  await purgeDeltas()
  await send(4)
  const open = (from: CheckpointFeed) =>
    createLiveView({ feed: from, metrics, partitions: PARTITIONS, clock: Date, log: logger })
  const loads: number[] = []
  const stale: CheckpointFeed = {
    ...feed,
    load: async (partition) => (loads.push(partition) <= PARTITIONS ? before[partition] : feed.load(partition)),
  }
  const [away, fresh] = [open(stale), open(feed)]
  for (const view of [away, fresh]) {
    expect(await view.reached(positions, 30_000)).toBe(true)
    expect(await view.reached(await settled(), 30_000)).toBe(true)
  }
  expect(loads.length).toBeGreaterThan(PARTITIONS)
  const events = (view: LiveView) =>
    [...(view.table('main', 'users', 1, MINUTE)?.slices.values() ?? [])].map(({ start, series }) => [
      start,
      [...series.values()].map((one) => [
        one.events,
        one.correctedAt,
        one.revision,
        one.state.sketch?.uniques?.members.size,
      ]),
    ])
  expect(events(away).length).toBeGreaterThan(40)
  expect(new Map(events(away) as never)).toEqual(new Map(events(fresh) as never))
  await Promise.all([away.close(), fresh.close()])
})
