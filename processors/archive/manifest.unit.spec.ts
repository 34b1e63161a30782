import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type ArchiveFile,
  type ArchiveGroup,
  chunkFileName,
  groupOfManifest,
  manifestName,
  rangeOfChunkFile,
} from '#schema/archive.ts'
import {
  type Addition,
  ArchiveOverlap,
  emptyManifest,
  mergedFile,
  planMerge,
  removable,
  withAddition,
  withMerged,
  withoutExpired,
  withoutRemoved,
} from './manifest.ts'

const GROUP: ArchiveGroup = { outcome: 'events', tenant: 'main', date: '2024-05-01' }
const SETTINGS = { targetBytes: 1_000, fanIn: 3, quietMs: 60_000 }
const nameOf = (inputs: readonly string[]): string => `of-${inputs.length}`

const fileOf = (partition: number, from: number, to: number, fields: Partial<ArchiveFile> = {}): ArchiveFile => ({
  name: chunkFileName(GROUP, 'abcd1234', { partition, from, to }),
  rows: 10,
  bytes: 100,
  crc32c: 'AAAAAA==',
  level: 0,
  deployment: 'abcd1234',
  ranges: [{ partition, from, to }],
  minTime: from,
  maxTime: to,
  minReceivedAt: from,
  maxReceivedAt: to,
  ...fields,
})

const addition = (partition: number, from: number, to: number, fields: Partial<ArchiveFile> = {}): Addition => ({
  deployment: 'abcd1234',
  range: { partition, from, to },
  file: fileOf(partition, from, to, fields),
  duplicates: 1,
  at: to,
})

const added = (...additions: Addition[]) => additions.reduce(withAddition, emptyManifest(GROUP))

describe('a chunk is added', () => {
  it('with its file, its repetitions and the place up to which it goes', () => {
    const manifest = added(addition(0, 1, 5), addition(1, 1, 9), { ...addition(0, 6, 7), file: null })
    expect(manifest).toMatchObject({
      rows: 20,
      bytes: 200,
      duplicates: 3,
      through: { abcd1234: { 0: 7, 1: 9 } },
      addedAt: 9,
    })
  })

  it('once', () => {
    const manifest = added(addition(0, 1, 5), addition(0, 6, 9))
    expect(withAddition(manifest, addition(0, 6, 9))).toBe(manifest)
    expect(withAddition(manifest, addition(0, 1, 5))).toBe(manifest)
  })

  it('and not where a part of it is there already', () => {
    const manifest = added(addition(0, 1, 5))
    expect(() => withAddition(manifest, addition(0, 4, 9))).toThrow(ArchiveOverlap)
    // Another log.
    expect(withAddition(manifest, { ...addition(0, 4, 9), deployment: 'another' }).files).toHaveLength(2)
  })
})

describe('small files', () => {
  const many = (count: number, fields: Partial<ArchiveFile> = {}) =>
    added(...Array.from({ length: count }, (_, i) => addition(0, i * 10 + 1, i * 10 + 9, fields)))

  it('become one when there are enough of a level, or the day is quiet', () => {
    expect(planMerge(many(2), SETTINGS, 100, nameOf)).toBeNull()
    expect(planMerge(many(3), SETTINGS, 100, nameOf)).toMatchObject({
      level: 1,
      name: expect.stringMatching(/merged-of-3/),
    })
    expect(planMerge(many(2), SETTINGS, 1e9, nameOf)).toMatchObject({ level: 1 })
    expect(planMerge(many(1), SETTINGS, 1e9, nameOf)).toBeNull()
    expect(planMerge(many(9, { bytes: 1_000 }), SETTINGS, 1e9, nameOf)).toBeNull()
  })

  it('become none that is much too large', () => {
    const plan = planMerge(many(9, { bytes: 400 }), SETTINGS, 100, nameOf)
    expect(plan?.inputs).toHaveLength(3)
  })

  it('are replaced by the one, and removed when their grace is over', () => {
    const before = many(4)
    const merge = planMerge(before, SETTINGS, 100, nameOf)!
    const planned = { ...before, merge }
    const file = { ...mergedFile(planned, merge)!, bytes: 300, crc32c: 'BBBBBB==' }
    expect(file).toMatchObject({
      rows: 40,
      level: 1,
      ranges: [{ partition: 0, from: 1, to: 39 }],
      minTime: 1,
      maxTime: 39,
    })
    const after = withMerged(planned, file, 1_000)
    expect(after).toMatchObject({ rows: 40, bytes: 300, merge: null, files: [file] })
    expect(withMerged(after, file, 2_000)).toBe(after)
    expect(removable(after, 999)).toEqual([])
    expect(removable(after, 1_000)).toEqual(merge.inputs)
    expect(withoutRemoved(after, merge.inputs).replaced).toEqual([])
    expect(mergedFile(after, merge)).toBeNull()
  })
})

it('drops what was received before the retention, unless it is being merged', () => {
  const manifest = added(addition(0, 1, 5), addition(0, 6, 50))
  const after = withoutExpired(manifest, 10, 99)
  expect(after).toMatchObject({ rows: 10, replaced: [{ name: manifest.files[0].name, at: 99 }] })
  expect(withoutExpired(after, 10, 99)).toBe(after)
  const merging = { ...manifest, merge: { name: 'm', level: 1, inputs: manifest.files.map(({ name }) => name) } }
  expect(withoutExpired(merging, 10, 99)).toBe(merging)
})

it('keeps every row and the order of each partition through any merges', () => {
  const chunks = fc.array(fc.tuple(fc.nat({ max: 2 }), fc.integer({ min: 1, max: 1_500 })), { maxLength: 40 })
  fc.assert(
    fc.property(chunks, fc.infiniteStream(fc.boolean()), (sizes, choices) => {
      const next = [1, 1, 1]
      let manifest = emptyManifest(GROUP)
      for (const [partition, bytes] of sizes) {
        const from = next[partition]
        next[partition] += 10
        manifest = withAddition(manifest, addition(partition, from, from + 9, { bytes }))
        if (choices.next().value) {
          const merge = planMerge(manifest, SETTINGS, choices.next().value ? 1e9 : 0, (inputs) => inputs.join('+'))
          if (!merge) continue
          const file = mergedFile({ ...manifest, merge }, merge)!
          const own = manifest.files.filter(({ name }) => merge.inputs.includes(name))
          const after = own.reduce((sum, one) => sum + one.bytes, 0)
          manifest = withMerged({ ...manifest, merge }, { ...file, bytes: after, crc32c: '' }, 0)
        }
      }
      expect(manifest.rows).toBe(sizes.length * 10)
      expect(manifest.bytes).toBe(sizes.reduce((sum, [, bytes]) => sum + bytes, 0))
      for (const level of new Set(manifest.files.map((file) => file.level))) {
        const starts = manifest.files
          .filter((file) => file.level === level)
          .flatMap(({ ranges }) => ranges.filter(({ partition }) => partition === 0).map(({ from }) => from))
        expect(starts).toEqual([...starts].sort((a, b) => a - b))
      }
    }),
  )
})

it('names files and manifests so that they can be read again', () => {
  const range = { partition: 3, from: 17, to: 4_711 }
  const name = chunkFileName(GROUP, 'abcd1234', range)
  expect(name).toBe('events/tenant=main/date=2024-05-01/abcd1234-p03-000000000017-000000004711.parquet')
  expect(rangeOfChunkFile(name)).toEqual({ ...range, deployment: 'abcd1234' })
  expect(rangeOfChunkFile('events/tenant=main/date=2024-05-01/merged-0123.parquet')).toBeNull()
  expect(groupOfManifest(manifestName(GROUP))).toEqual(GROUP)
  expect(groupOfManifest('manifests/events/tenant=_unknown/date=2024-05-01.json')).toMatchObject({ tenant: '_unknown' })
  expect(groupOfManifest('manifests/other/tenant=main/date=2024-05-01.json')).toBeNull()
})
