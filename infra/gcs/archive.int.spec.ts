import { type ChildProcess, fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connectNats, type Nats } from '#infra/nats/connect.ts'
import { createLogWriter } from '#infra/nats/log.ts'
import { ensureDeployment } from '#infra/nats/setup.ts'
import { startTestNats, type TestNats } from '#infra/testing/nats.ts'
import { ownPartition } from '#infra/testing/pipeline.ts'
import { until } from '#infra/testing/until.ts'
import { eventLine } from '#processors/storage/fixtures.ts'
import { verifyDeployment } from '#scripts/archive/verify-deployment.ts'
import { type GcsFault, type GcsWeather, gcsOrSkip } from '../testing/gcs.ts'
import { openBucket } from './objects.ts'

const MAIN = join(import.meta.dirname, '../compose/storage.main.ts')
const PREFIX = 'some/lake'

const gcs = await gcsOrSkip()

describe.skipIf(!gcs)('storage archives to Google Cloud Storage', () => {
  const { endpoint, bucket } = gcs ?? { endpoint: '', bucket: '' }
  const store = openBucket({ bucket, prefix: PREFIX, endpoint })
  let server: TestNats
  let nats: Nats
  let data: string
  let owner: ReturnType<typeof ownPartition>
  const children = new Set<ChildProcess>()

  beforeAll(async () => {
    server = await startTestNats()
    nats = await connectNats(server.url, 'test')
    await ensureDeployment(nats, { partitions: 1 })
    data = await mkdtemp(join(tmpdir(), 'millrace-gcs-'))
    owner = ownPartition(nats)
  })
  afterAll(async () => {
    for (const child of children) child.kill('SIGKILL')
    await owner.stop()
    await nats.nc.close()
    await server[Symbol.asyncDispose]()
    await rm(data, { recursive: true, force: true })
    await gcs?.[Symbol.asyncDispose]()
  })

  const launch = (archiveMs = 300) => {
    const flags = [
      `--nats-url=${server.url}`,
      `--data=${data}`,
      '--partitions=1',
      '--lease-ms=400',
      '--log-level=silent',
    ]
    const archive = [
      `--archive=gs://${bucket}/${PREFIX}`,
      `--archive-endpoint=${endpoint}`,
      `--archive-ms=${archiveMs}`,
    ]
    const child = fork(MAIN, [...flags, ...archive], { execArgv: [] })
    children.add(child)
    const exited = once(child, 'exit').then(() => children.delete(child))
    const ready = once(child, 'message').then(([message]) => (message as { ports: { admin: number } }).ports.admin)
    return { child, ready, exited }
  }

  let sent = 0
  /** Frames of events that do not get much smaller. */
  const send = async (frames: number, bytes: number): Promise<void> => {
    for (let frame = 0; frame < frames; frame++) {
      const now = Date.now()
      const lines = Array.from({ length: 10 }, () => {
        const e = { properties: { noise: randomBytes(bytes).toString('base64') } }
        return JSON.stringify(eventLine(`e${sent++}`, { time: now, receivedAt: now, e }))
      })
      const counts = new Map([['main', lines.length]])
      const frameData = new TextEncoder().encode(lines.join('\n'))
      await createLogWriter(nats.broker).append(
        { partition: 0, messageId: `f${sent}`, data: frameData, counts },
        20_000,
      )
    }
  }

  const IN_ORDER = { missing: 0, duplicated: 0, wrong: 0, damaged: 0, strays: 0, lost: 0 }
  const archived = () =>
    until('all of it is archived', async () => {
      const result = await verifyDeployment(nats, store)
      return result.behind === 0 && result.rows === sent && result
    })

  /** The first upload of this kind meets the fault, and storage is killed in the middle of it. */
  const killedAt = async (kind: RegExp, fault: GcsFault): Promise<void> => {
    // Long enough for a busy machine to read all that is there into one chunk.
    const { child, ready, exited } = launch(3_000)
    const hit = Promise.withResolvers<void>()
    let isHit = false
    gcs!.weather = ({ method, url }) => {
      const isUpload =
        (method === 'POST' || method === 'PUT') && url.includes('/upload/') && kind.test(decodeURIComponent(url))
      if (!isUpload || isHit) return undefined
      isHit = true
      hit.resolve()
      return fault
    }
    await ready
    await hit.promise
    // The server may do what it was asked; whoever asked does not learn of it.
    if (fault.kind === 'lost') await until('it has happened', () => gcs!.faults() > 0)
    child.kill('SIGKILL')
    await exited
    gcs!.weather = () => undefined
  }

  it('each event once, killed in the middle of uploads and after them', async () => {
    // Large enough for a resumable upload.
    await send(40, 18_000)
    await killedAt(/upload_id=/, { kind: 'silent' })
    await killedAt(/upload_id=/, { kind: 'cut', afterBytes: 1_000_000 })
    await killedAt(/upload_id=/, { kind: 'lost' })
    await send(3, 100)
    await killedAt(/uploadType=multipart/, { kind: 'lost' })
    await send(3, 100)
    await killedAt(/uploadType=multipart/, { kind: 'silent' })
    const { child, ready, exited } = launch()
    await ready
    const result = await archived()
    expect(result).toMatchObject({ ...IN_ORDER, rows: sent, checked: sent })
    child.kill('SIGTERM')
    await exited
  }, 180_000)

  it('each event once through refusals, lost answers and cut connections, and its store does not wait', async () => {
    const { child, ready, exited } = launch()
    const url = `http://127.0.0.1:${await ready}`
    let requests = 0
    const storm: GcsWeather = () => {
      requests++
      if (requests % 5 === 1) return { kind: 'status', status: 503 }
      if (requests % 7 === 2) return { kind: 'lost' }
      if (requests % 11 === 3) return { kind: 'cut', afterBytes: 100 }
      return undefined
    }
    gcs!.weather = () => ({ kind: 'status', status: 503 })
    await send(3, 100)
    // Nothing of it can be archived, and all of it is stored.
    const stored = async (): Promise<number> => {
      const metrics = await (await fetch(`${url}/metrics`)).text()
      return Number(/millrace_stored_events_total (\d+)/.exec(metrics)?.[1])
    }
    await until('they are stored', async () => (await stored()) >= 30)
    await until('failures are counted', async () => {
      const metrics = await (await fetch(`${url}/metrics`)).text()
      return Number(/millrace_archive_failures_total (\d+)/.exec(metrics)?.[1]) > 0
    })
    expect((await fetch(`${url}/readyz`)).status).toBe(200)
    gcs!.weather = storm
    for (let i = 0; i < 5; i++) await send(2, 100)
    await until('the archive has all', async () => {
      const metrics = await (await fetch(`${url}/metrics`)).text()
      return /millrace_archive_sequence\{partition="0"\} (\d+)/.exec(metrics)?.[1] === String(sent / 10)
    })
    gcs!.weather = () => undefined
    expect(await archived()).toMatchObject({ ...IN_ORDER, rows: sent })
    child.kill('SIGTERM')
    await exited
  }, 180_000)
})
