import { createHash } from 'node:crypto'
import {
  type ArchiveFile,
  type ArchiveGroup,
  type ArchiveManifest,
  archiveFolder,
  groupOfManifest,
  MANIFESTS,
  rangeOfChunkFile,
} from '#schema/archive.ts'
import { type ArchiveFiles, type EncodedFile, ObjectConflict, type ObjectStore } from '../ports.ts'
import { ArchiveMismatch } from './chunk.ts'
import type { Document, Manifests } from './documents.ts'
import {
  type MergeSettings,
  mergedFile,
  planMerge,
  removable,
  throughOf,
  withMerged,
  withoutExpired,
  withoutRemoved,
} from './manifest.ts'

export interface UpkeepSettings extends MergeSettings {
  /** Events are kept for so long after they were received, milliseconds. */
  retentionMs: number
  /** A replaced file stays for so long: readers may go by an older manifest. */
  graceMs: number
}

/** What no deployment has a reason to change. */
export const UPKEEP = {
  /** As stored. */
  targetBytes: 64_000_000,
  fanIn: 16,
  quietMs: 6 * 3_600_000,
  graceMs: 3_600_000,
} as const

interface UpkeepDeps {
  store: ObjectStore
  files: ArchiveFiles
  manifests: Manifests
  settings: UpkeepSettings
  now: () => number
  /** One file at a time is made. */
  inTurn: <T>(work: () => Promise<T>) => Promise<T>
  signal: AbortSignal
}

/** What one pass has done. */
export interface UpkeepResult {
  /** Files that were made of others. */
  merged: number
  expired: number
  removed: number
}

/** A pure function of the inputs' names, whose content never changes. */
const nameOf = (inputs: readonly string[]): string =>
  createHash('sha256').update(inputs.join('\n')).digest('hex').slice(0, 16)

const put = async ({ store, files }: UpkeepDeps, name: string, encoded: EncodedFile) => {
  try {
    await store.put(name, encoded.body, null)
    return { bytes: encoded.bytes, crc32c: encoded.crc32c }
  } catch (error) {
    if (!(error instanceof ObjectConflict)) throw error
  }
  const crc32c = await store.checksum(name)
  if (crc32c !== encoded.crc32c) {
    const { rows, lacking } = await files.compare(name, encoded)
    if (lacking > 0 || rows !== encoded.rows) throw new ArchiveMismatch(name, rows, encoded.rows)
  }
  return { bytes: (await store.info(name))?.bytes ?? encoded.bytes, crc32c }
}

/** Makes the file of a merge that is written down. One whose inputs are not there any more is given up. */
const finishMerge = async (deps: UpkeepDeps, document: Document<ArchiveManifest>, manifest: ArchiveManifest) => {
  const { files, now, inTurn } = deps
  const { merge } = manifest
  const merged = merge && mergedFile(manifest, merge)
  if (!merge) return
  if (!merged) {
    await document.change((current) => (current.merge?.name === merge.name ? { ...current, merge: null } : current))
    return
  }
  const encoded = await inTurn(() => files.merge(manifest.outcome, merge.inputs))
  try {
    if (encoded.rows !== merged.rows) throw new ArchiveMismatch(merge.inputs.join(', '), encoded.rows, merged.rows)
    const stored = await put(deps, merge.name, encoded)
    const file: ArchiveFile = { ...merged, ...stored }
    await document.change((current) => withMerged(current, file, now()))
  } finally {
    await encoded.discard()
  }
}

/**
 * Files of chunks that no manifest names though it has these chunks: whoever wrote them had been thought dead for so long
 * that their rows had been merged meanwhile.
 */
const strays = async ({ store }: UpkeepDeps, manifest: ArchiveManifest): Promise<string[]> => {
  const known = new Set([...manifest.files, ...manifest.replaced].map(({ name }) => name))
  const found: string[] = []
  for await (const { name } of store.list(`${archiveFolder(manifest)}/`)) {
    const range = rangeOfChunkFile(name)
    if (known.has(name) || !range) continue
    if (throughOf(manifest, range.deployment, range.partition) >= range.to) found.push(name)
  }
  return found
}

const tendGroup = async (deps: UpkeepDeps, group: ArchiveGroup): Promise<UpkeepResult> => {
  const { store, manifests, settings, now, signal } = deps
  const document = manifests(group)
  let manifest = await document.read()
  const result = { merged: 0, expired: 0, removed: 0 }
  for (;;) {
    if (!manifest.merge) {
      // Written down first: after a crash the same files become the same one.
      manifest = await document.change((current) => {
        const merge = current.merge ?? planMerge(current, settings, now(), nameOf)
        return merge === current.merge ? current : { ...current, merge }
      })
    }
    if (!manifest.merge || signal.aborted) break
    await finishMerge(deps, document, manifest)
    result.merged++
    for (const name of await strays(deps, manifest)) await store.delete(name)
    manifest = await document.read()
  }
  const before = manifest.files.length
  manifest = await document.change((current) => withoutExpired(current, now() - settings.retentionMs, now()))
  result.expired = Math.max(0, before - manifest.files.length)
  const names = removable(manifest, now() - settings.graceMs)
  for (const name of names) await store.delete(name)
  if (names.length > 0) await document.change((current) => withoutRemoved(current, names))
  result.removed = names.length
  return result
}

/** What is due in a manifest later although nothing changes it. */
const dueAt = ({ files, replaced, addedAt }: ArchiveManifest, settings: UpkeepSettings): number =>
  Math.min(
    ...files.map(({ maxReceivedAt }) => maxReceivedAt + settings.retentionMs),
    ...replaced.map(({ at }) => at + settings.graceMs),
    files.filter(({ bytes }) => bytes < settings.targetBytes).length > 1
      ? addedAt + settings.quietMs
      : Number.POSITIVE_INFINITY,
  )

/** Merges, expires and removes files, a group after the other. What has not changed and is not due is not read again. */
export const createUpkeep = (deps: UpkeepDeps) => {
  const { store, manifests, settings, now, signal } = deps
  const seen = new Map<string, { generation: string; dueAt: number }>()
  return {
    async pass(): Promise<UpkeepResult> {
      const total = { merged: 0, expired: 0, removed: 0 }
      for await (const { name, generation } of store.list(MANIFESTS)) {
        if (signal.aborted) break
        const group = groupOfManifest(name)
        const known = seen.get(name)
        if (!group || (known?.generation === generation && now() < known.dueAt)) continue
        const { merged, expired, removed } = await tendGroup(deps, group)
        total.merged += merged
        total.expired += expired
        total.removed += removed
        const due = dueAt(await manifests(group).read(), settings)
        const info = await store.info(name)
        if (info) seen.set(name, { generation: info.generation, dueAt: due })
      }
      return total
    },
  }
}
