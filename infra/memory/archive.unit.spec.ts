import { expect, it } from 'vitest'
import { type Archive, startArchive } from '#processors/archive/archive.ts'
import { createManifests } from '#processors/archive/documents.ts'
import { createUpkeep } from '#processors/archive/upkeep.ts'
import type { ArchiveBook, ObjectStore } from '#processors/ports.ts'
import { type ArchiveManifest, groupOfManifest } from '#schema/archive.ts'
import { createMemoryBook, createMemoryFiles, readMemoryRows } from './archive.ts'
import { createMortal, makeSettledLog, type Random, type SettledLog, seeded, type Weather } from './archive-world.ts'
import { MemoryObjects } from './objects.ts'

const PARTITIONS = 2
const silent = { info() {}, warn() {}, error() {} }
const decoder = new TextDecoder()

interface World {
  random: Random
  log: SettledLog
  objects: MemoryObjects
  book: ArchiveBook
}

const createWorld = (seed: number): World => {
  const random = seeded(seed)
  const log = makeSettledLog(random, PARTITIONS, 40)
  return { random, log, objects: new MemoryObjects(), book: createMemoryBook() }
}

const start = ({ random, log }: World, store: ObjectStore, book: ArchiveBook): Archive =>
  startArchive({
    partitions: PARTITIONS,
    deployment: 'abcd1234',
    feed: log.feed,
    book,
    store,
    files: createMemoryFiles(store),
    settings: {
      chunkBytes: 200 + Math.floor(random() * 2_000),
      chunkMs: 5,
      retryMs: 1,
      longestRetryMs: 2,
      upkeepMs: 3,
      patienceMs: 60_000,
      targetBytes: 20_000,
      fanIn: 3,
      quietMs: 50,
      graceMs: 10,
      retentionMs: 1e15,
    },
    clock: { now: Date.now, monotonic: () => performance.now() },
    metrics: { stored() {}, failed() {}, tended() {} },
    logger: silent,
  })

const isDone = (archive: Archive, { last }: SettledLog): boolean =>
  archive.sequences().every((sequence, partition) => sequence === last[partition])

/** Waits for a moment that only a look can tell. */
const watch = async (look: () => boolean): Promise<void> => {
  for (let i = 0; !look(); i++) {
    if (i > 5_000) throw new Error('it does not end')
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

/** A process until it dies or everything is archived. */
const live = async (world: World, weather: Weather): Promise<void> => {
  const mortal = createMortal(world.random, weather)
  const archive = start(world, mortal.store(world.objects.store()), mortal.book(world.book))
  await watch(() => mortal.isDead() || isDone(archive, world.log))
  await archive.stop()
}

const manifestsOf = ({ objects }: World): ArchiveManifest[] =>
  [...objects.held]
    .filter(([name]) => groupOfManifest(name))
    .map(([, { data }]) => JSON.parse(decoder.decode(data)) as ArchiveManifest)

/** What manifests name, as the log's own list has it; every claim of theirs is checked. */
const rowsOf = async (world: World): Promise<string[]> => {
  const store = world.objects.store()
  const found: string[] = []
  for (const { outcome, tenant, date, files, rows, bytes } of manifestsOf(world)) {
    for (const file of files) {
      const own = await readMemoryRows(store, file.name)
      expect([own.length, await store.checksum(file.name)]).toEqual([file.rows, file.crc32c])
      for (const { partition, sequence, index } of own) {
        const isInside = file.ranges.some(
          (range) => range.partition === partition && sequence >= range.from && sequence <= range.to,
        )
        expect(isInside).toBe(true)
        found.push(`${outcome} ${tenant} ${date} ${partition} ${sequence} ${index}`)
      }
    }
    expect(rows).toBe(files.reduce((sum, file) => sum + file.rows, 0))
    expect(bytes).toBe(files.reduce((sum, file) => sum + file.bytes, 0))
  }
  return found.sort()
}

const expectWhole = async (world: World): Promise<void> => {
  expect(await rowsOf(world)).toEqual([...world.log.rows].sort())
  const manifests = manifestsOf(world)
  expect(manifests.reduce((sum, { duplicates }) => sum + duplicates, 0)).toBe(world.log.duplicates)
  // Nothing lies about that no manifest speaks of.
  const named = manifests.flatMap(({ files, replaced }) => [...files, ...replaced].map(({ name }) => name)).sort()
  expect([...world.objects.held.keys()].filter((name) => name.endsWith('.parquet')).sort()).toEqual(named)
}

const CALM: Weather = { failures: 0, deaths: 0 }

it.each(Array.from({ length: 25 }, (_, i) => i + 1))(
  'archives every line once, whatever dies between any two steps (seed %i)',
  async (seed) => {
    const world = createWorld(seed)
    for (let lives = 0; lives < 12; lives++) await live(world, { failures: 0.05, deaths: 0.02 + 0.1 * world.random() })
    await live(world, CALM)
    await expectWhole(world)
  },
)

it('merges, removes what was replaced, and ends with the same rows', async () => {
  const world = createWorld(99)
  const archive = start(world, world.objects.store(), world.book)
  const settled = () =>
    isDone(archive, world.log) &&
    manifestsOf(world).every(({ files, replaced, merge }) => files.length <= 1 && replaced.length === 0 && !merge)
  await watch(settled)
  await archive.stop()
  await expectWhole(world)
  expect(manifestsOf(world).some(({ files }) => files[0]?.level > 0)).toBe(true)
})

it('stores every line once while two processes take themselves for the writer', async () => {
  const world = createWorld(7)
  const archives = [0, 1].map(() => start(world, world.objects.store(), world.book))
  await watch(() => archives.every((archive) => isDone(archive, world.log)))
  for (const archive of archives) await archive.stop()
  await expectWhole(world)
})

it.each([1, 2, 3])(
  'loses no change while another process merges beside the one that archives (seed %i)',
  async (seed) => {
    const world = createWorld(seed)
    const slow = (store: ObjectStore): ObjectStore => {
      const late = async <T>(act: () => Promise<T>): Promise<T> => {
        await new Promise((resolve) => setTimeout(resolve, 2 * world.random()))
        return act()
      }
      return { ...store, put: (...args) => late(() => store.put(...args)), get: (name) => late(() => store.get(name)) }
    }
    const store = slow(world.objects.store())
    const archive = start(world, store, world.book)
    const others = createUpkeep({
      store,
      files: createMemoryFiles(store),
      manifests: createManifests(store),
      settings: { targetBytes: 20_000, fanIn: 2, quietMs: 0, graceMs: 10, retentionMs: 1e15 },
      now: Date.now,
      inTurn: (work) => work(),
      signal: new AbortController().signal,
    })
    const passes = (async () => {
      while (!isDone(archive, world.log)) {
        // On a slow machine what it merges may have been merged and removed meanwhile: it is tried again.
        await others.pass().catch(() => undefined)
        await new Promise((resolve) => setTimeout(resolve, 1))
      }
    })()
    await watch(() => isDone(archive, world.log))
    await passes
    await archive.stop()
    await expectWhole(world)
  },
)

it('says since when the store takes nothing, and goes on when it does again', async () => {
  const world = createWorld(3)
  let isDown = true
  const store = world.objects.store()
  const flaky: ObjectStore = {
    ...store,
    async put(...args) {
      if (isDown) throw new Error('the bucket is away')
      return store.put(...args)
    },
  }
  const archive = startArchive({
    partitions: PARTITIONS,
    deployment: 'abcd1234',
    feed: world.log.feed,
    book: world.book,
    store: flaky,
    files: createMemoryFiles(flaky),
    settings: {
      chunkBytes: 500,
      chunkMs: 5,
      retryMs: 1,
      longestRetryMs: 2,
      upkeepMs: 1_000,
      patienceMs: 5,
      targetBytes: 1,
      fanIn: 9,
      quietMs: 1e9,
      graceMs: 1e9,
      retentionMs: 1e15,
    },
    clock: { now: Date.now, monotonic: () => performance.now() },
    metrics: { stored() {}, failed() {}, tended() {} },
    logger: silent,
  })
  await watch(() => archive.problems().length === PARTITIONS)
  expect(archive.problems().sort()[0]).toMatch(/^archive of partition 0 is behind since 20.*Z: the bucket is away$/)
  expect(archive.waitingMs().every((ms) => ms > 0)).toBe(true)
  isDown = false
  await watch(() => isDone(archive, world.log))
  expect(archive.problems()).toEqual([])
  await archive.stop()
  await expectWhole(world)
})

it('stops a partition whose frames and settlements contradict each other, says so, and goes on with the others', async () => {
  const world = createWorld(4)
  const { feed, last } = world.log
  const torn: SettledLog['feed'] = {
    ...feed,
    async *frames(partition, from, to) {
      for await (const message of feed.frames(partition, from, to)) {
        yield partition === 0 ? { ...message, data: new TextEncoder().encode('{}\n'.repeat(9)) } : message
      }
    },
  }
  const store = world.objects.store()
  const archive = start({ ...world, log: { ...world.log, feed: torn } }, store, world.book)
  await watch(() => archive.problems().length > 0 && archive.sequences()[1] === last[1])
  expect(archive.problems()).toEqual([expect.stringMatching(/^archive of partition 0 .* has 9 events, its settlement/)])
  expect(archive.sequences()[0]).toBe(0)
  await archive.stop()
})

it('writes nothing twice when its positions are lost, and says so where it cannot go on', async () => {
  const world = createWorld(5)
  const first = start(world, world.objects.store(), world.book)
  await watch(() => isDone(first, world.log))
  await first.stop()
  const archive = start(world, world.objects.store(), createMemoryBook())
  await watch(() => archive.problems().length > 0 || isDone(archive, world.log))
  await archive.stop()
  for (const problem of archive.problems()) expect(problem).toMatch(/position was lost/)
  await expectWhole(world)
})
