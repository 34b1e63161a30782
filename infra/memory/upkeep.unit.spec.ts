import { expect, it } from 'vitest'
import { createManifests } from '#processors/archive/documents.ts'
import { withAddition } from '#processors/archive/manifest.ts'
import { createUpkeep } from '#processors/archive/upkeep.ts'
import type { ObjectStore } from '#processors/ports.ts'
import {
  type ArchivedLine,
  type ArchiveGroup,
  type ArchiveManifest,
  chunkFileName,
  manifestName,
} from '#schema/archive.ts'
import { createMemoryFiles, readMemoryRows } from './archive.ts'
import { MemoryObjects } from './objects.ts'

const GROUP: ArchiveGroup = { outcome: 'invalid', tenant: 'main', date: '2024-05-01' }
const DEPLOYMENT = 'abcd1234'

const rowOf = (sequence: number): ArchivedLine => ({
  tenant: 'main',
  received_at: sequence,
  partition: 0,
  sequence,
  index: 0,
  reason: null,
  line: 'x',
})

/** A group to which chunks of one message each are added. */
const createGroup = () => {
  const objects = new MemoryObjects()
  const store = objects.store()
  let sequence = 0
  const names = (): string[] => [...objects.held.keys()].filter((name) => name.endsWith('.parquet')).sort()
  const manifest = (): ArchiveManifest =>
    JSON.parse(new TextDecoder().decode(objects.held.get(manifestName(GROUP))!.data)) as ArchiveManifest
  return {
    store,
    names,
    manifest,
    async add(count: number): Promise<void> {
      for (let i = 0; i < count; i++) {
        const range = { partition: 0, from: ++sequence, to: sequence }
        const chunk = await createMemoryFiles(store).chunk()
        await chunk.add({ group: GROUP, rows: [rowOf(sequence)], plain: null })
        const { body, rows, bytes, crc32c } = await chunk.encode(GROUP)
        const name = chunkFileName(GROUP, DEPLOYMENT, range)
        await store.put(name, body, null)
        const span = { minTime: 0, maxTime: 0, minReceivedAt: sequence, maxReceivedAt: sequence }
        const file = { name, rows, bytes, crc32c, level: 0, deployment: DEPLOYMENT, ranges: [range], ...span }
        const addition = { deployment: DEPLOYMENT, range, file, duplicates: 0, at: 0 }
        await createManifests(store)(GROUP).change((known) => withAddition(known, addition))
      }
    },
    /** One pass of a process of its own. */
    async tend(own: ObjectStore = store, graceMs = 0): Promise<void> {
      await createUpkeep({
        store: own,
        files: createMemoryFiles(own),
        manifests: createManifests(own),
        settings: { targetBytes: 1e6, fanIn: 3, quietMs: 1e15, graceMs, retentionMs: 1e15 },
        now: Date.now,
        inTurn: (work) => work(),
        signal: new AbortController().signal,
      }).pass()
    },
    async rows(): Promise<number[]> {
      const found: number[] = []
      for (const { name } of manifest().files) {
        for (const { sequence: own } of await readMemoryRows(store, name)) found.push(own)
      }
      return found.sort((a, b) => a - b)
    },
  }
}

const isMerged = (name: string): boolean => name.includes('/merged-')

it.each(['before', 'after'])(
  'makes the same file again when it dies %s that is stored, whatever has come since',
  async (when) => {
    const group = createGroup()
    await group.add(3)
    const dying: ObjectStore = {
      ...group.store,
      async put(name, ...rest) {
        if (!isMerged(name)) return group.store.put(name, ...rest)
        if (when === 'after') await group.store.put(name, ...rest)
        throw new Error('died')
      },
    }
    await expect(group.tend(dying)).rejects.toThrow('died')
    const planned = group.manifest().merge
    expect(planned?.inputs).toHaveLength(3)
    await group.add(4)
    await group.tend()
    expect(await group.rows()).toEqual([1, 2, 3, 4, 5, 6, 7])
    expect(group.names()).toEqual(
      group
        .manifest()
        .files.map(({ name }) => name)
        .sort(),
    )
    expect(group.names()).toContain(planned?.name)
  },
)

it('keeps what it has replaced until its grace is over, and removes it although it died in the middle of that', async () => {
  const group = createGroup()
  await group.add(3)
  const before = group.names()
  await group.tend(group.store, 3_600_000)
  expect(group.names()).toEqual(expect.arrayContaining(before))
  let deletions = 0
  const dying: ObjectStore = {
    ...group.store,
    async delete(name) {
      if (++deletions === 2) throw new Error('died')
      return group.store.delete(name)
    },
  }
  await expect(group.tend(dying)).rejects.toThrow('died')
  await group.tend()
  expect(group.names()).toEqual(group.manifest().files.map(({ name }) => name))
  expect(await group.rows()).toEqual([1, 2, 3])
})

it('removes a file that a writer puts back which had been thought dead for longer than the grace', async () => {
  const group = createGroup()
  await group.add(3)
  const [old] = group.names()
  const { data } = (await group.store.get(old))!
  await group.tend()
  await group.store.put(old, data, null)
  await group.add(3)
  await group.tend()
  expect(group.names()).not.toContain(old)
  expect(await group.rows()).toEqual([1, 2, 3, 4, 5, 6])
})
