import {
  ARCHIVE_FORMAT,
  type ArchiveFile,
  type ArchiveGroup,
  type ArchiveManifest,
  type ArchiveMerge,
  type ArchiveRange,
  archiveFolder,
} from '#schema/archive.ts'

/** What a chunk adds to a group. */
export interface Addition {
  deployment: string
  range: ArchiveRange
  /** None where the group only got repetitions. */
  file: ArchiveFile | null
  duplicates: number
  at: number
}

/** A manifest has a part of a chunk: bounds were forgotten. To go on would store events twice. */
export class ArchiveOverlap extends Error {
  constructor({ outcome, tenant, date }: ArchiveGroup, { partition, from, to }: ArchiveRange, through: number) {
    super(
      `${outcome} of ${tenant} on ${date} has partition ${partition} up to message ${through} of the log, and a chunk ` +
        `from ${from} to ${to} is to be added: the archive's position was lost. Nothing is written`,
    )
    this.name = 'ArchiveOverlap'
  }
}

export const emptyManifest = (group: ArchiveGroup): ArchiveManifest => ({
  format: ARCHIVE_FORMAT,
  ...group,
  revision: 0,
  addedAt: 0,
  rows: 0,
  bytes: 0,
  duplicates: 0,
  through: {},
  files: [],
  replaced: [],
  merge: null,
})

const withFiles = (manifest: ArchiveManifest, files: ArchiveFile[]): ArchiveManifest => ({
  ...manifest,
  files,
  rows: files.reduce((sum, { rows }) => sum + rows, 0),
  bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
})

export const throughOf = ({ through }: ArchiveManifest, deployment: string, partition: number): number =>
  through[deployment]?.[partition] ?? 0

/** With a chunk's part; the same manifest where it has that already. Throws ArchiveOverlap. */
export const withAddition = (manifest: ArchiveManifest, addition: Addition): ArchiveManifest => {
  const { deployment, range, file, duplicates, at } = addition
  const through = throughOf(manifest, deployment, range.partition)
  if (through >= range.to) return manifest
  if (through >= range.from) throw new ArchiveOverlap(manifest, range, through)
  const own = { ...manifest.through[deployment], [range.partition]: range.to }
  return {
    ...withFiles(manifest, file ? [...manifest.files, file] : manifest.files),
    addedAt: Math.max(manifest.addedAt, at),
    duplicates: manifest.duplicates + duplicates,
    through: { ...manifest.through, [deployment]: own },
  }
}

export interface MergeSettings {
  /** A file of so many bytes is large enough. */
  targetBytes: number
  /** So many small ones of one level become one of the next. */
  fanIn: number
  /** A day that got nothing for so long is merged whatever it has, milliseconds. */
  quietMs: number
}

/** Files of one log in order, as many as make one of about the wished size. */
const firstOf = (files: readonly ArchiveFile[], targetBytes: number): ArchiveFile[] => {
  const taken: ArchiveFile[] = []
  let bytes = 0
  for (const file of files) {
    if (bytes >= targetBytes) break
    taken.push(file)
    bytes += file.bytes
  }
  return taken
}

/**
 * What to merge next; null when nothing is. Files of one level stand in the order of their partitions' logs, and only the
 * first of a level go to the next, so that ranges of what is merged lie about side by side.
 */
export const planMerge = (
  manifest: ArchiveManifest,
  { targetBytes, fanIn, quietMs }: MergeSettings,
  now: number,
  nameOf: (inputs: readonly string[]) => string,
): ArchiveMerge | null => {
  const isQuiet = now - manifest.addedAt >= quietMs
  const deployments = new Set(manifest.files.map(({ deployment }) => deployment))
  for (const deployment of deployments) {
    const small = manifest.files.filter((file) => file.deployment === deployment && file.bytes < targetBytes)
    const levels = [...new Set(small.map(({ level }) => level))].sort((a, b) => a - b)
    for (const level of levels) {
      const same = small.filter((file) => file.level === level)
      if (same.length >= fanIn) return toMerge(manifest, firstOf(same, targetBytes), level + 1, nameOf)
    }
    // From high to low levels: the order of the log.
    const all = [...small].sort((a, b) => b.level - a.level)
    if (isQuiet && all.length > 1) return toMerge(manifest, firstOf(all, targetBytes), all[0].level + 1, nameOf)
  }
  return null
}

const toMerge = (
  group: ArchiveGroup,
  files: readonly ArchiveFile[],
  level: number,
  nameOf: (inputs: readonly string[]) => string,
): ArchiveMerge | null => {
  if (files.length < 2) return null
  const inputs = files.map(({ name }) => name)
  return { name: `${archiveFolder(group)}/merged-${nameOf(inputs)}.parquet`, level, inputs }
}

/** A range for each partition, over all of theirs. */
const unitedRanges = (files: readonly ArchiveFile[]): ArchiveRange[] => {
  const united = new Map<number, ArchiveRange>()
  for (const { partition, from, to } of files.flatMap(({ ranges }) => ranges)) {
    const known = united.get(partition) ?? { partition, from, to }
    united.set(partition, { partition, from: Math.min(known.from, from), to: Math.max(known.to, to) })
  }
  return [...united.values()].sort((a, b) => a.partition - b.partition)
}

/** What the merged file will be, but for its bytes; null when its inputs are not all there any more. */
export const mergedFile = (
  { files }: ArchiveManifest,
  { name, level, inputs }: ArchiveMerge,
): Omit<ArchiveFile, 'bytes' | 'crc32c'> | null => {
  const wanted = new Set(inputs)
  const found = files.filter((file) => wanted.has(file.name))
  if (found.length < inputs.length) return null
  return {
    name,
    level,
    rows: found.reduce((sum, { rows }) => sum + rows, 0),
    deployment: found[0].deployment,
    ranges: unitedRanges(found),
    minTime: Math.min(...found.map(({ minTime }) => minTime)),
    maxTime: Math.max(...found.map(({ maxTime }) => maxTime)),
    minReceivedAt: Math.min(...found.map(({ minReceivedAt }) => minReceivedAt)),
    maxReceivedAt: Math.max(...found.map(({ maxReceivedAt }) => maxReceivedAt)),
  }
}

/** With the merged file in the place of its inputs; the same where somebody has done that. */
export const withMerged = (manifest: ArchiveManifest, file: ArchiveFile, at: number): ArchiveManifest => {
  const { merge } = manifest
  if (merge?.name !== file.name) return manifest
  const inputs = new Set(merge.inputs)
  const place = manifest.files.findIndex(({ name }) => inputs.has(name))
  const files = manifest.files.filter(({ name }) => !inputs.has(name))
  files.splice(place, 0, file)
  const replaced = [...manifest.replaced, ...merge.inputs.map((name) => ({ name, at }))]
  return { ...withFiles(manifest, files), replaced, merge: null }
}

/** Without files whose events were all received before this moment; what is being merged waits until it is. */
export const withoutExpired = (manifest: ArchiveManifest, before: number, at: number): ArchiveManifest => {
  const merging = new Set(manifest.merge?.inputs)
  const isExpired = ({ name, maxReceivedAt }: ArchiveFile): boolean => maxReceivedAt < before && !merging.has(name)
  const expired = manifest.files.filter(isExpired)
  if (expired.length === 0) return manifest
  const replaced = [...manifest.replaced, ...expired.map(({ name }) => ({ name, at }))]
  return {
    ...withFiles(
      manifest,
      manifest.files.filter((file) => !isExpired(file)),
    ),
    replaced,
  }
}

/** Names of what was replaced before this moment. */
export const removable = ({ replaced }: ArchiveManifest, before: number): string[] =>
  replaced.filter(({ at }) => at <= before).map(({ name }) => name)

/** Once these are removed. */
export const withoutRemoved = (manifest: ArchiveManifest, names: readonly string[]): ArchiveManifest => {
  const gone = new Set(names)
  const replaced = manifest.replaced.filter(({ name }) => !gone.has(name))
  return replaced.length === manifest.replaced.length ? manifest : { ...manifest, replaced }
}
