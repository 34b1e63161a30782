import { buildBatch } from '#processors/runtime/batch.ts'
import { checkpointInterval } from '#processors/runtime/pace.ts'
import { PartitionFold } from '#processors/windows/fold.ts'
import { type Head, STATE_FORMAT } from '#schema/checkpoint.ts'
import type { MetricDefinition } from '#schema/metric.ts'
import { FrameReader } from '#schema/scan/frame-reader.ts'
import { definitionFrames, type Frames } from './frames.ts'
import { preloadSeries } from './preload.ts'

/** How much of the way from frames to state a run goes: each does all of the one before. */
export const STAGES = ['parse', 'duplicates', 'fold', 'checkpoint'] as const
export type Stage = (typeof STAGES)[number]

const SEED = Uint32Array.of(1, 2, 3, 4)

/** Reads every line, and judges none. */
export const parseAll = (logs: readonly Frames[]): number => {
  const reader = new FrameReader()
  let events = 0
  for (const frames of logs) {
    for (const { data } of frames) {
      reader.open(data)
      for (let line = reader.next(); line !== null; line = reader.next()) if (typeof line !== 'string') events++
    }
  }
  return events
}

export interface Partition {
  fold: PartitionFold
  frames: Frames
  head: Head
  /** What its last checkpoint took to make, milliseconds. */
  builtMs: number
}

const openPartition = (frames: Frames, partition: number, metrics: readonly MetricDefinition[]): Partition => {
  const fold = new PartitionFold(SEED)
  for (const frame of definitionFrames(metrics, frames[0]?.storedAt ?? 0)) {
    fold.apply({ ...frame, sequence: fold.sequence + 1 })
  }
  const nothing = { checkpoint: 0, sequence: 0, manifest: [], marks: [] }
  return {
    fold,
    frames,
    builtMs: 0,
    head: { format: STATE_FORMAT, partition, epoch: 1, owner: 'bench', nonce: '', ...nothing },
  }
}

/** Seals and encodes what the next checkpoint writes, as the owner of the partition does. */
const checkpoint = (partition: Partition, now: number): { rows: number; bytes: number } => {
  const { fold, head } = partition
  const startedAt = performance.now()
  const sealed = fold.seal(head.checkpoint + 1, now)
  const batch = buildBatch(sealed, head, { nonce: '', manifest: [], marks: [] }, now)
  partition.head = batch.head
  partition.builtMs = performance.now() - startedAt
  const bytes = [...(batch.segment?.chunks ?? []), ...batch.aggregates.map(({ data }) => data)]
  return { rows: sealed.rows.length, bytes: bytes.reduce((sum, { length }) => sum + length, 0) }
}

export interface FoldRun {
  events: number
  rows: number
  bytes: number
  checkpoints: number
  folds: PartitionFold[]
}

export interface FoldOptions {
  metrics: readonly MetricDefinition[]
  /** Series that are in memory beforehand, all partitions together. */
  preload?: number
}

/** A bound of the owner of a partition (processors/runtime/owner.ts), and its default. */
const MOST_PENDING_EVENTS = 20_000
const CHECKPOINT_MS = 150
/** Of all partitions: the goal. */
const EVENTS_PER_MS = 400

/**
 * After how many events of its own a partition seals: as often as its owner would at the goal's rate, which depends on
 * what the last checkpoint took to make.
 */
const eventsOfCheckpoint = (partitions: number, builtMs: number): number =>
  Math.min(MOST_PENDING_EVENTS, (EVENTS_PER_MS * checkpointInterval(CHECKPOINT_MS, builtMs)) / partitions)

/** Opens a fold for each log; what this costs is no part of folding. */
export const openPartitions = (logs: readonly Frames[], { metrics, preload = 0 }: FoldOptions): Partition[] =>
  logs.map((frames, i) => {
    const partition = openPartition(frames, i, metrics)
    if (preload > 0) preloadSeries(partition.fold, metrics, preload / logs.length, frames[0].storedAt)
    return partition
  })

/** When a partition seals: never, after so many events of its own, or as its owner would. */
export type Checkpoints = 'none' | 'owner' | number

/** Folds the logs, a frame of each in turn, as one processor does that owns all of them. */
export const foldAll = (partitions: readonly Partition[], checkpoints: Checkpoints): FoldRun => {
  const isDue = ({ fold, builtMs }: Partition): boolean => {
    if (checkpoints === 'none') return false
    const events = checkpoints === 'owner' ? eventsOfCheckpoint(partitions.length, builtMs) : checkpoints
    return fold.pendingEvents >= events
  }
  const run: FoldRun = { events: 0, rows: 0, bytes: 0, checkpoints: 0, folds: partitions.map(({ fold }) => fold) }
  const seal = (partition: Partition, now: number): void => {
    run.events += partition.fold.pendingEvents
    const { rows, bytes } = checkpoint(partition, now)
    run.rows += rows
    run.bytes += bytes
    run.checkpoints++
  }
  const longest = Math.max(...partitions.map(({ frames }) => frames.length))
  for (let i = 0; i < longest; i++) {
    for (const partition of partitions) {
      const frame = partition.frames[i]
      if (!frame) continue
      partition.fold.apply({ ...frame, sequence: partition.fold.sequence + 1 })
      if (isDue(partition)) seal(partition, frame.storedAt)
    }
  }
  for (const partition of partitions) {
    if (checkpoints !== 'none') seal(partition, 0)
    else run.events += partition.fold.pendingEvents
  }
  return run
}
