import type {
  AggregateRow,
  Clock,
  DefinitionState,
  Head,
  Outcome,
  SegmentRow,
  SegmentSession,
  SessionRow,
  Settlement,
} from '#schema/checkpoint.ts'
import type { EventLine } from '#schema/event.ts'
import type { ControlRecord } from '#schema/frame.ts'
import type { KeyRecord } from '#schema/keys.ts'
import type { Received } from '#schema/ledger.ts'
import type { MetricDefinition, MetricRecord } from '#schema/metric.ts'
import type { PartitionReport, StorageReport, UsageReport } from '#schema/report.ts'
import type { PartitionShedding } from '#schema/shedding.ts'
import type { TraceHeaders } from '#schema/trace.ts'

export type { OlapReader } from '#schema/olap.ts'

/** A closed frame on its way to the log. */
export interface OutgoingFrame extends TraceHeaders {
  partition: number
  /** The same for every try: the log keeps one. */
  messageId: string
  data: Uint8Array
  /** Events by tenant. */
  counts: ReadonlyMap<string, number>
  /** The same by minute of receipt, and what was refused since the partition's frame before. */
  received?: readonly Received[]
}

/** The append side of the log. */
export interface LogWriter {
  /**
   * Resolves with the sequence when the frame is on disk (fsynced). Retries by itself with the same message id for up
   * to `deadlineMs`; rejects after that: the frame may or may not be in the log.
   */
  append(frame: OutgoingFrame, deadlineMs: number): Promise<number>
  /** Control records are idempotent: `messageId` only spares the log a repetition. */
  appendControl(partition: number, record: ControlRecord, messageId: string): Promise<number>
}

/** Keys by the SHA-256 (hex) of their secret; kept up to date by a watch, so that a look-up costs no I/O. */
export interface KeyStore {
  find(secretHash: string): KeyRecord | undefined
}

/** The same for who administers them. What is written is found a moment later. */
export interface KeyBook extends KeyStore {
  byId(id: string): { secretHash: string; record: KeyRecord } | undefined
  put(secretHash: string, record: KeyRecord): Promise<void>
  remove(secretHash: string): Promise<void>
}

/** Definitions of metrics; kept up to date by a watch. */
export interface MetricStore {
  get(tenant: string, name: string): MetricRecord | undefined
  /** The same as it is stored now, also by other gateways: `get` may not have heard of it yet. Rejects when KV is away. */
  newest(tenant: string, name: string): Promise<MetricRecord | undefined>
  list(tenant: string): MetricRecord[]
  all(): { tenant: string; record: MetricRecord }[]
  /** Compare-and-set on what `get` or `newest` had said (the same object); answers false when somebody was faster. */
  put(tenant: string, record: MetricRecord, replaces: MetricRecord | undefined): Promise<boolean>
  onChange(listener: (tenant: string, record: MetricRecord) => void): () => void
}

/** State of one partition as a live view loads it: everything up to head.checkpoint. */
export interface LoadedPartition {
  head: Head
  rows: SegmentRow[]
  sessions: SegmentSession[]
  clocks: Clock[]
  definitions: DefinitionState[]
}

/** One checkpoint as it was committed: all its deltas and its settlement, never a part. */
export interface CheckpointDelta extends TraceHeaders {
  settlement: Settlement
  rows: AggregateRow[]
  sessions: SessionRow[]
}

/** Checkpoints of all partitions, for live views. */
export interface CheckpointFeed {
  /** State of a partition that has no head yet: null. */
  load(partition: number): Promise<LoadedPartition | null>
  /**
   * Calls `onCheckpoint` for every checkpoint after `checkpoint`, in order, without a hole. When outputs have expired
   * `onGap` is called instead and following stops: the caller loads anew.
   */
  follow(
    partition: number,
    afterCheckpoint: number,
    onCheckpoint: (delta: CheckpointDelta) => void,
    onGap: () => void,
  ): Promise<{ stop(): Promise<void> }>
}

/** Reports of processors and storage, the newest of each. */
export interface Reports {
  partitions(): readonly PartitionReport[]
  /** Why a processor refuses a partition, in words; undefined when none has said so lately. */
  refused(partition: number, now: number): string | undefined
  storage(): StorageReport | undefined
  onReport(listener: () => void): () => void
}

/** What the owners of partitions have gateways shed; kept up to date by a watch. */
export interface SheddingReader {
  /** The newest of each partition of which anything was decided. */
  decisions(): PartitionShedding[]
  onDecision(listener: (decision: PartitionShedding) => void): () => void
}

/** What gateways tell each other of the use of keys. Nothing durable: a report that is missed is followed by the next. */
export interface UsageExchange {
  publish(report: UsageReport): void
  /** Told of every report, this process's own included. Answers how to stop. */
  onReport(listener: (report: UsageReport) => void): () => void
}

/** Copies of events that stand in the logs behind what the store holds. */
export interface EventTail {
  /** Copies of an id after these sequences, by partition, oldest first. */
  find(tenant: string, id: string, after: readonly number[]): Promise<TailCopy[]>
}

/** The next definition of a metric; null when it was deleted. */
export interface MetricChange {
  name: string
  version: number
  definition: MetricDefinition | null
}

export interface TailCopy {
  partition: number
  sequence: number
  line: EventLine
  /** What became of it; null while it is not settled. */
  outcome: Outcome | null
  /** Changes of the tenant's metrics that stand before it and after what the store holds, oldest first. */
  changes: MetricChange[]
}

export interface GeoIp {
  /** ISO 3166-1 alpha-2, or undefined. Never throws. */
  country(address: string): string | undefined
}

export interface WallClock {
  /** Milliseconds since 1970. */
  now(): number
}
