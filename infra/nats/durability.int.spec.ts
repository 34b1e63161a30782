import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { EventLine } from '#schema/event.ts'
import type { MetricDefinition } from '#schema/metric.ts'
import { logStream } from '#schema/subjects.ts'
import { createLoopback, type Loopback, loopbackRefusal } from '../testing/loopback.ts'
import { startTestNats, type TestNats } from '../testing/nats.ts'
import { ownPartition, sendUntilItFails } from '../testing/pipeline.ts'
import { connectNats, type Nats } from './connect.ts'
import { type Durability, readDurability, watchDurability } from './durability.ts'
import { createLogWriter } from './log.ts'
import { createCheckpointFeed } from './outputs.ts'
import { ensureDeployment } from './setup.ts'
import { createStateStore } from './state.ts'

const LAZY = '"2m"'

describe('what the product says of a server', () => {
  test.each([
    ['syncs every write', undefined, { level: 'FSYNCED', reason: '' }],
    ['syncs later', LAZY, { level: 'UNVERIFIED', reason: expect.stringContaining('syncs every 120 s') }],
  ])('%s', async (_, syncInterval, expected) => {
    await using server = await startTestNats({ syncInterval })
    expect(await readDurability(server.monitorUrl)).toEqual(expected)
  })

  test('takes no silence and no word of another server for a yes', async () => {
    await using server = await startTestNats()
    await using other = await startTestNats({ syncInterval: LAZY })
    const nats = await connectNats(server.url, 'test')
    const id = nats.nc.info?.server_id
    const said = async (monitorUrls: string | undefined) => (await readDurability(monitorUrls, id)).reason
    expect(await said(server.monitorUrl)).toBe('')
    expect(await said(undefined)).toContain('--nats-monitor-url')
    expect(await said('http://127.0.0.1:1')).toContain('does not answer')
    expect(await said(server.url.replace('nats:', 'http:'))).toContain('does not answer')
    expect(await said(other.monitorUrl)).toContain('syncs every 120 s')
    expect(await said(`${server.monitorUrl},${other.monitorUrl}`)).toContain('syncs every 120 s')
    await other.restart({})
    expect(await said(other.monitorUrl)).toContain('is not the monitoring of the server')
    expect(await said(`${other.monitorUrl},${server.monitorUrl}`)).toBe('')
    await nats.close()
  })

  test('asks again when the server comes back with another setting', async () => {
    await using server = await startTestNats()
    const nats = await connectNats(server.url, 'test')
    const told: Durability['level'][] = []
    const durability = await watchDurability(nats.nc, server.monitorUrl, ({ level }) => told.push(level))
    expect(durability.now().level).toBe('FSYNCED')
    await server.restart({ syncInterval: LAZY })
    const patience = { timeout: 20_000 }
    await vi.waitFor(() => expect(durability.now().reason).toContain('syncs every 120 s'), patience)
    await server.restart({})
    await vi.waitFor(() => expect(durability.now().level).toBe('FSYNCED'), patience)
    expect(told[0]).toBe('FSYNCED')
    expect(told).toContain('UNVERIFIED')
    await nats.nc.close()
  })
})

const VIEWS: MetricDefinition = {
  name: 'views',
  event: '*',
  where: [],
  measure: { kind: 'COUNT' },
  dimensions: [],
  windows: [{ kind: 'TUMBLING', sizeMs: 3_600_000 }],
  version: 1,
}
/** Ids in the log, one an entry: what is there twice is twice in it. */
const idsInLog = async ({ broker }: Nats): Promise<string[]> => {
  const { first, last } = await broker.range(logStream(0))
  const ids: string[] = []
  for (let next = first; next <= last; ) {
    for await (const { seq, data } of broker.batch(logStream(0), next, 256)) {
      next = seq + 1
      const lines = new TextDecoder().decode(data).split('\n')
      for (const line of lines) if (line.includes('"e":')) ids.push((JSON.parse(line) as EventLine).e.id)
    }
  }
  return ids
}

const counted = async (nats: Nats): Promise<number> => {
  const loaded = await createCheckpointFeed(nats.broker).load(0)
  return loaded?.rows.reduce((sum, { events }) => sum + events, 0) ?? 0
}

const refusal = await loopbackRefusal()
if (refusal) console.error(refusal)

/** Only where nobody relies on it: in CI a machine that cannot cut power is a failure. */
describe.skipIf(refusal && !process.env.CI)('power is cut while clients send', () => {
  let disk: Loopback
  let server: TestNats
  let nats: Nats
  beforeEach(async () => {
    disk = await createLoopback()
  })
  afterEach(async () => {
    await nats?.nc.close()
    await server?.[Symbol.asyncDispose]()
    await disk?.[Symbol.asyncDispose]()
  })

  /** Load and checkpoints, then no power in the middle of both; the server is started again on what the disk has. */
  const cutUnderLoad = async (sync: { syncInterval?: string }) => {
    server = await startTestNats({ dataDir: disk.path })
    nats = await connectNats(server.url, 'test')
    await ensureDeployment(nats, { partitions: 1 })
    await createLogWriter(nats.broker).appendControl(0, { kind: 'defineMetric', tenant: 'main', metric: VIEWS }, 'd')
    await nats.close()
    await server.restart(sync)
    nats = await connectNats(server.url, 'test')
    const owner = ownPartition(nats)
    const { acknowledged, stop } = sendUntilItFails(nats, 20)
    const patience = { timeout: 30_000, interval: 5 }
    await vi.waitFor(() => {
      expect(acknowledged.size).toBeGreaterThan(1_000)
      expect(owner.committed()?.checkpoint).toBeGreaterThan(5)
    }, patience)
    // Without power nobody answers any more. A server that went on would be told by an fsync under way, now and then, that
    // it had succeeded on a disk that is gone.
    process.kill(server.pid, 'SIGSTOP')
    await disk.cutPower()
    await server.kill()
    await nats.nc.close()
    await Promise.all([owner.stop(), stop()])
    await disk.mountAgain()
    await server.restart()
    nats = await connectNats(server.url, 'test')
    return { acknowledged: [...acknowledged], head: owner.committed()! }
  }

  test('every acknowledged event and checkpoint is there afterwards, and counts once', async () => {
    const { acknowledged, head } = await cutUnderLoad({})
    const inLog = await idsInLog(nats)
    const found = new Set(inLog)
    expect(acknowledged.filter((id) => !found.has(id))).toEqual([])
    const stored = await createStateStore(nats.broker, 0).head()
    expect(stored.head?.checkpoint).toBeGreaterThanOrEqual(head.checkpoint)
    const owner = ownPartition(nats)
    await vi.waitFor(async () => expect(await counted(nats)).toBe(found.size), { timeout: 30_000 })
    await owner.stop()
  })

  test('a server that does not sync each write loses acknowledged events: the test above can fail', async () => {
    const { acknowledged } = await cutUnderLoad({ syncInterval: LAZY })
    const found = new Set(await idsInLog(nats))
    expect(acknowledged.filter((id) => !found.has(id)).length).toBeGreaterThan(0)
  })
})
