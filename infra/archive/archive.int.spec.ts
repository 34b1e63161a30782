import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { connectNats, type Nats } from '#infra/nats/connect.ts'
import { createLogWriter } from '#infra/nats/log.ts'
import { ensureDeployment } from '#infra/nats/setup.ts'
import { DEPLOYMENT, startTestArchive } from '#infra/testing/archive.ts'
import { startTestNats, type TestNats } from '#infra/testing/nats.ts'
import { ownPartition } from '#infra/testing/pipeline.ts'
import { until } from '#infra/testing/until.ts'
import type { ObjectStore } from '#processors/ports.ts'
import { eventLine, HOUR } from '#processors/storage/fixtures.ts'
import type { EventLine } from '#schema/event.ts'
import { createDuck } from './duck.ts'
import { openFolder } from './folder.ts'
import { readManifests } from './manifests.ts'
import { createArchiveReader } from './reader.ts'

let server: TestNats
let nats: Nats
let root: string
let store: ObjectStore
let owner: ReturnType<typeof ownPartition>
beforeAll(async () => {
  server = await startTestNats()
  nats = await connectNats(server.url, 'test')
  await ensureDeployment(nats, { partitions: 1 })
  owner = ownPartition(nats)
})
afterAll(async () => {
  await owner.stop()
  await nats.nc.close()
  await server[Symbol.asyncDispose]()
})
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'millrace-archived-'))
  store = await openFolder(root)
  // As of a deployment that has never archived.
  await nats.jsm.streams.purge('KV_archive')
})
afterEach(() => rm(root, { recursive: true }))

const lines: string[] = []
let sent = 0
/** One frame; answers its lines. */
const append = async (frame: (EventLine | string)[]): Promise<string[]> => {
  const texts = frame.map((line) => (typeof line === 'string' ? line : JSON.stringify(line)))
  const counts = new Map([['main', texts.length]])
  const data = new TextEncoder().encode(texts.join('\n'))
  await createLogWriter(nats.broker).append({ partition: 0, messageId: `f${sent++}`, data, counts }, 20_000)
  lines.push(...texts)
  return texts
}

const event = (id: string, fields: Parameters<typeof eventLine>[1] = {}): EventLine => {
  const now = Date.now()
  return eventLine(id, { time: now, receivedAt: now, ...fields })
}

/** Of everything that was ever sent here: some count, one is a repetition, one is late, one is no event. */
const sendAll = async (): Promise<void> => {
  const now = Date.now()
  const e = { sessionId: 's', time: new Date(now).toISOString(), properties: { path: '/ü', n: 1.5 } }
  await append([event(`a${sent}`, { key: 's', country: 'NL', e }), event(`b${sent}`, { time: now - 60_000 })])
  const again = event(`c${sent}`)
  await append([
    again,
    again,
    event(`late${sent}`, { time: now - 48 * HOUR }),
    '{"broken',
    event(`\ufeffbom "quoted"\n${sent}`),
  ])
  await append([event(`d${sent}`, { source: 'import-1', time: Date.UTC(2015, 4, 17) })])
}

it('archives a real log, each line once, by outcome, tenant and day', async () => {
  await sendAll()
  await using running = await startTestArchive(nats, store)
  await running.caughtUp()
  const result = await running.verify()
  expect(result).toMatchObject({ missing: 0, duplicated: 0, wrong: 0, damaged: 0, strays: 0, lost: 0, findings: [] })
  expect(result.checked).toBe(result.rows)
  expect(result.rows + result.duplicates).toBe(lines.length)
  const groups = new Map<string, number>()
  for await (const { outcome, tenant, date, rows } of readManifests(store))
    groups.set(`${outcome} ${tenant} ${date}`, rows)
  const today = new Date().toISOString().slice(0, 10)
  expect(groups.get('events main 2015-05-17')).toBe(1)
  expect([...groups.keys()].filter((group) => group.startsWith('late main'))).toHaveLength(1)
  expect([...groups.keys()]).toContain(`invalid main ${today}`)
  expect(running.archive.problems()).toEqual([])
})

it('finds what is missing, duplicated, wrong, damaged or stray', async () => {
  await sendAll()
  await using running = await startTestArchive(nats, store)
  await running.caughtUp()
  await running.archive.stop()
  const manifests = []
  for await (const manifest of readManifests(store)) manifests.push(manifest)
  const events = manifests.filter(({ outcome }) => outcome === 'events').sort((a, b) => b.rows - a.rows)[0]
  const name = `manifests/events/tenant=main/date=${events.date}.json`
  const switched = async (change: (manifest: typeof events) => object): Promise<void> => {
    const found = (await store.get(name))!
    const changed = change(structuredClone(events))
    await store.put(name, new TextEncoder().encode(JSON.stringify(changed)), found.info.generation)
  }
  // Its files are no longer spoken of.
  await switched((manifest) => ({ ...manifest, files: [] }))
  expect(await running.verify()).toMatchObject({ missing: events.rows, duplicated: 0, strays: events.files.length })
  // They are spoken of twice.
  await switched((manifest) => ({ ...manifest, files: [...manifest.files, ...manifest.files] }))
  expect(await running.verify()).toMatchObject({ missing: 0, duplicated: events.rows, strays: 0 })
  // Under another outcome.
  await switched((manifest) => manifest)
  const late = `manifests/late/tenant=main/date=${events.date}.json`
  await store.put(late, new TextEncoder().encode(JSON.stringify({ ...events, outcome: 'late' })), null)
  await switched((manifest) => ({ ...manifest, files: [] }))
  // Where they should be they are not, and where they are they should not be.
  expect(await running.verify()).toMatchObject({ missing: 0, wrong: 2 * events.rows })
  await store.delete(late)
  // One byte of a file is another.
  await switched((manifest) => manifest)
  const [{ name: damaged }] = events.files
  const { data } = (await store.get(damaged))!
  data[20] ^= 1
  await store.delete(damaged)
  await store.put(damaged, data, null)
  expect(await running.verify()).toMatchObject({ damaged: 1, missing: events.files[0].rows })
  await store.delete(damaged)
  expect(await running.verify()).toMatchObject({ damaged: 1, missing: events.files[0].rows })
})

it('reads the very lines back, in order', async () => {
  await sendAll()
  await using running = await startTestArchive(nats, store)
  await running.caughtUp()
  const duck = createDuck({ folder: running.folder })
  const reader = createArchiveReader({ store, duck, folder: join(running.folder, 'reader'), deployment: DEPLOYMENT })
  const found: { place: number[]; line: EventLine }[] = []
  for await (const { sequence, lines: texts, indexes } of reader.counted(0, 1, 1_000)) {
    for (const [i, text] of texts.entries()) found.push({ place: [sequence, indexes[i]], line: JSON.parse(text) })
  }
  await duck.close()
  const readable = lines.filter((text) => text !== '{"broken' && !text.includes('"late'))
  // Repetitions of an identity count once.
  const wanted = new Map(readable.map((text) => [text, JSON.parse(text) as EventLine]))
  const byId = (events: EventLine[]) => events.sort((a, b) => (a.e.id < b.e.id ? -1 : 1))
  expect(byId(found.map(({ line }) => line))).toEqual(byId([...wanted.values()]))
  const places = found.map(({ place }) => place)
  expect(places).toEqual([...places].sort(([a, b], [c, d]) => a - c || b - d))
})

it('merges small files, keeps what readers of the old manifest know, removes it later, and loses nothing', async () => {
  await using running = await startTestArchive(nats, store, { fanIn: 2, graceMs: 300, upkeepMs: 100, chunkMs: 10 })
  for (let i = 0; i < 3; i++) {
    await sendAll()
    await running.caughtUp()
  }
  const settled = await until('files are merged and removed', async () => {
    const seen = []
    for await (const manifest of readManifests(store)) seen.push(manifest)
    const isQuiet = seen.every(({ replaced, merge }) => replaced.length === 0 && !merge)
    return isQuiet && seen.some(({ files }) => files.some(({ level }) => level > 0)) && seen
  })
  expect(settled.every(({ files }) => files.filter(({ level }) => level === 0).length < 2)).toBe(true)
  expect(await running.verify()).toMatchObject({ missing: 0, duplicated: 0, wrong: 0, damaged: 0, strays: 0 })
})

it('drops what was received before the retention, whatever its own time is', async () => {
  await using running = await startTestArchive(nats, store)
  await sendAll()
  await running.caughtUp()
  await running.archive.stop()
  const files = async (): Promise<number> => {
    let count = 0
    for await (const manifest of readManifests(store)) count += manifest.files.length
    return count
  }
  const before = await files()
  expect(before).toBeGreaterThan(3)
  await using strict = await startTestArchive(nats, store, { upkeepMs: 20, retentionMs: 86_400_000, graceMs: 0 })
  await strict.caughtUp()
  // What is from 2015 was received today.
  expect(await files()).toBe(before)
  await strict.archive.stop()
  await using forgetful = await startTestArchive(nats, store, { upkeepMs: 20, retentionMs: -86_400_000, graceMs: 0 })
  await until('everything is gone', async () => (await files()) === 0)
  expect((await forgetful.verify()).strays).toBe(0)
})

it('names what the log had lost before it was archived, and archives what comes after it', async () => {
  await nats.jsm.streams.purge('KV_window_state_0', { filter: 'settled.0' })
  const { last } = await nats.broker.range('user_events_0')
  await sendAll()
  await using running = await startTestArchive(nats, store)
  await running.caughtUp()
  const result = await running.verify()
  expect(result).toMatchObject({ lost: last, missing: 0, duplicated: 0, wrong: 0 })
  expect(result.rows).toBeGreaterThan(3)
})
