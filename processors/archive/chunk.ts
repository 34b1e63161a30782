import { setImmediate as breathe } from 'node:timers/promises'
import {
  ARCHIVE_FORMAT,
  type ArchiveFile,
  type ArchiveGroup,
  type ArchiveLoss,
  type ArchiveLosses,
  type ArchiveRange,
  type ArchiveSpan,
  chunkFileName,
  lossesName,
} from '#schema/archive.ts'
import type { Settlement } from '#schema/checkpoint.ts'
import {
  type ArchivedPart,
  type ArchiveFiles,
  type ChunkRows,
  type EncodedFile,
  ObjectConflict,
  type ObjectStore,
  type SettledFeed,
  type SettlementsGone,
} from '../ports.ts'
import { readSettled } from '../storage/frames.ts'
import { createDocument, type Manifests } from './documents.ts'
import { frameRows, type GroupRows, groupKey, NO_SPAN } from './frame-rows.ts'
import { withAddition } from './manifest.ts'

/** Files under these names hold other rows than the log says. Nothing of the partition is archived until it is looked at. */
export class ArchiveMismatch extends Error {
  constructor(name: string, rows: number, wanted: number) {
    super(`${name} is there and holds other rows (${rows}) than the log gives (${wanted})`)
    this.name = 'ArchiveMismatch'
  }
}

interface Group extends ArchiveSpan {
  group: ArchiveGroup
  rows: number
  duplicates: number
}

const spanOf = (a: ArchiveSpan, b: ArchiveSpan): ArchiveSpan => ({
  minTime: Math.min(a.minTime, b.minTime),
  maxTime: Math.max(a.maxTime, b.maxTime),
  minReceivedAt: Math.min(a.minReceivedAt, b.minReceivedAt),
  maxReceivedAt: Math.max(a.maxReceivedAt, b.maxReceivedAt),
})

export interface ChunkDeps {
  partition: number
  /** Short name of the deployment. */
  deployment: string
  feed: Pick<SettledFeed, 'frames'>
  files: ArchiveFiles
  store: ObjectStore
  manifests: Manifests
  now: () => number
  /** Repeats what a store does not take, until it does; rejects when it never will, or at the stop. */
  insist: <T>(attempt: () => Promise<T>) => Promise<T>
  /** One chunk at a time is made into files. */
  inTurn: <T>(work: () => Promise<T>) => Promise<T>
  onStored: (file: ArchiveFile, group: ArchiveGroup) => void
}

const isGone = (item: Settlement | SettlementsGone): item is SettlementsGone => !('totals' in item)

/** Settled messages of a partition that go into the archive together, from behind its position on. */
export class Chunk {
  /** Last checkpoint and log sequence in it. */
  checkpoint: number
  sequence: number
  /** Of the lines in it. */
  bytes = 0
  private readonly from: number
  private readonly groups = new Map<string, Group>()
  private readonly counted = new Map<string, ArchivedPart['counted'][number]>()
  private readonly losses: ArchiveLoss[] = []
  private readonly deps: ChunkDeps
  private rows: ChunkRows | null = null

  constructor(deps: ChunkDeps, after: { checkpoint: number; sequence: number }) {
    this.deps = deps
    this.checkpoint = after.checkpoint
    this.sequence = after.sequence
    this.from = after.sequence + 1
  }

  /** Nothing of it goes into the archive. */
  get isEmpty(): boolean {
    return this.groups.size === 0 && this.losses.length === 0
  }

  /** Reads the frames of a settlement. Throws FrameMismatch. */
  async add(item: Settlement | SettlementsGone): Promise<void> {
    if (isGone(item)) {
      if (item.sequence > this.sequence) this.lose(this.sequence + 1, item.sequence, 'ARCHIVE')
      this.checkpoint = item.checkpoint
      this.sequence = Math.max(this.sequence, item.sequence)
      return
    }
    for (const { from, to } of item.missing ?? []) this.lose(from, to, 'PROCESSOR')
    // A settlement of ticks and markers alone names no tenant: nothing has to be read.
    if (Object.keys(item.totals).length > 0) {
      const { messages, missing } = await readSettled(this.deps.feed, item)
      for (const { from, to } of missing) this.lose(from, to, 'ARCHIVE')
      for (const message of messages) {
        // A checkpoint may hold 20,000 events: who shares this thread has its turn after each frame.
        await breathe()
        for (const part of frameRows(item, message)) await this.take(part)
      }
    }
    this.checkpoint = item.checkpoint
    this.sequence = Math.max(this.sequence, item.to)
  }

  /** What was recorded of it: more of the log may have expired since than belongs to it. */
  endAt({ checkpoint, sequence }: { checkpoint: number; sequence: number }): void {
    this.checkpoint = checkpoint
    this.sequence = sequence
    const own = this.losses.filter(({ from }) => from <= sequence)
    this.losses.splice(0, this.losses.length, ...own.map((loss) => ({ ...loss, to: Math.min(loss.to, sequence) })))
  }

  private lose(from: number, to: number, lostBy: ArchiveLoss['lostBy']): void {
    const { partition, deployment } = this.deps
    this.losses.push({ deployment, partition, from, to, lostBy })
  }

  private async take(part: GroupRows): Promise<void> {
    const { group, count, duplicates, span, bytes } = part
    const key = groupKey(group)
    const known = this.groups.get(key) ?? { group, rows: 0, duplicates: 0, ...NO_SPAN }
    this.groups.set(key, {
      group,
      rows: known.rows + count,
      duplicates: known.duplicates + duplicates,
      ...spanOf(known, span),
    })
    this.bytes += bytes
    if (group.outcome === 'events') this.count(part)
    if (count === 0) return
    this.rows ??= await this.deps.files.chunk()
    await this.rows.add(part)
  }

  /** What of it had expired before it was archived. */
  get lost(): readonly ArchiveLoss[] {
    return this.losses
  }

  /** What goes into the books of the archive. */
  archived(): ArchivedPart {
    const counted = [...this.counted.values()].map((row) => ({ ...row }))
    return { partition: this.deps.partition, to: this.sequence, counted }
  }

  /** Files, then manifests, then losses. Its bounds are recorded; whatever of it is there already stays as it is. */
  async store(): Promise<void> {
    const { insist } = this.deps
    for (const group of this.groups.values()) await this.storeGroup(group)
    if (this.losses.length > 0) await insist(() => this.storeLosses())
  }

  private count({ group: { tenant }, minutes }: GroupRows): void {
    for (const [minute, events] of minutes) {
      const key = `${tenant} ${minute}`
      const row = this.counted.get(key) ?? { tenant, minute, events: 0 }
      this.counted.set(key, row)
      row.events += events
    }
  }

  async discard(): Promise<void> {
    await this.rows?.discard()
    this.rows = null
  }

  private async storeGroup({ group, rows, duplicates, ...span }: Group): Promise<void> {
    const { partition, deployment, manifests, inTurn, insist, now } = this.deps
    const range: ArchiveRange = { partition, from: this.from, to: this.sequence }
    const add = (file: ArchiveFile | null) =>
      insist(() =>
        manifests(group).change((manifest) =>
          withAddition(manifest, { deployment, range, file, duplicates, at: now() }),
        ),
      )
    // What is in a manifest is not written again: it may have been merged since. Throws where only a part of it is.
    const manifest = await insist(() => manifests(group).recall())
    if (withAddition(manifest, { deployment, range, file: null, duplicates, at: now() }) === manifest) return
    const chunkRows = this.rows
    if (rows === 0 || !chunkRows) {
      await add(null)
      return
    }
    const encoded = await inTurn(() => chunkRows.encode(group))
    try {
      const name = chunkFileName(group, deployment, range)
      const { bytes, crc32c } = await insist(() => this.put(name, encoded))
      const file = { name, rows: encoded.rows, bytes, crc32c, level: 0, deployment, ranges: [range], ...span }
      await add(file)
      this.deps.onStored(file, group)
    } finally {
      await encoded.discard()
    }
  }

  /**
   * Where a file of that name is there already it is the same chunk's: its bytes may come of another version, its rows
   * may not differ. More rows it may have when the log has lost some since.
   */
  private async put(name: string, encoded: EncodedFile): Promise<{ bytes: number; crc32c: string }> {
    const { store, files } = this.deps
    try {
      await store.put(name, encoded.body, null)
      return encoded
    } catch (error) {
      if (!(error instanceof ObjectConflict)) throw error
    }
    const crc32c = await store.checksum(name)
    if (crc32c === encoded.crc32c) return encoded
    const { rows, lacking } = await files.compare(name, encoded)
    const isLost = this.losses.length > 0
    if (lacking > 0 || (rows !== encoded.rows && !isLost)) throw new ArchiveMismatch(name, rows, encoded.rows)
    encoded.rows = rows
    return { bytes: (await store.info(name))?.bytes ?? encoded.bytes, crc32c }
  }

  private storeLosses(): Promise<ArchiveLosses> {
    const { store, partition } = this.deps
    const empty: ArchiveLosses = { format: ARCHIVE_FORMAT, losses: [] }
    return createDocument(store, lossesName(partition), empty).change((known) => {
      const fresh = this.losses.filter((loss) => !known.losses.some((one) => isSame(one, loss)))
      return fresh.length === 0 ? known : { ...known, losses: [...known.losses, ...fresh] }
    })
  }
}

const isSame = (a: ArchiveLoss, b: ArchiveLoss): boolean =>
  a.deployment === b.deployment && a.from === b.from && a.to === b.to && a.lostBy === b.lostBy
