import type { ArchiveGroup, ArchiveOutcome, ArchivePosition, ArchiveRow } from '#schema/archive.ts'
import type {
  AggregateRow,
  Clock,
  DefinitionState,
  Head,
  LateEvent,
  Segment,
  SegmentRef,
  SegmentSession,
  SessionRow,
  Settlement,
  TenantState,
} from '#schema/checkpoint.ts'
import type { ControlRecord, LogMessage, Marker } from '#schema/frame.ts'
import type { Received, Settled } from '#schema/ledger.ts'
import type { Hole, LogPositions, OlapOperator, OlapReader, Positions } from '#schema/olap.ts'
import type { PartitionReport } from '#schema/report.ts'
import type { PartitionShedding } from '#schema/shedding.ts'
import type { TraceHeaders } from '#schema/trace.ts'

/** What the cores ask of a logger; pino has it. */
export interface Logger {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** The read side of one partition's log. */
export interface PartitionLog {
  /**
   * Messages from `sequence` on, in order, without a hole; ends when `signal` aborts. A hole throws LogHole: messages
   * had expired before they were read.
   */
  read(sequence: number, signal: AbortSignal): AsyncIterable<LogMessage>
  /** Appends a control record (a tick). */
  append(record: ControlRecord): Promise<number>
  /** First and last sequence in the log now, and bytes of all messages; last is 0 when nothing was ever written. */
  range(): Promise<{ first: number; last: number; bytes: number }>
}

/** Messages firstMissing..lastMissing are gone. */
export class LogHole extends Error {
  readonly firstMissing: number
  readonly lastMissing: number
  constructor(partition: number, firstMissing: number, lastMissing: number) {
    super(`log of partition ${partition}: messages ${firstMissing} to ${lastMissing} are gone`)
    this.name = 'LogHole'
    this.firstMissing = firstMissing
    this.lastMissing = lastMissing
  }
}

/** A head with the revision that the next compare-and-set expects (0: there is none). */
export interface StoredHead {
  head: Head | null
  revision: number
}

/** What one checkpoint writes: all of it or nothing. */
export interface CheckpointBatch extends TraceHeaders {
  head: Head
  /** The level-0 segment of this checkpoint, encoded in chunks; none when nothing but the position changed. */
  segment: { ref: SegmentRef; chunks: Uint8Array[] } | null
  /** Messages of aggregates.<tenant>.<metric>.<p>: newline-delimited OutputRow. */
  aggregates: { tenant: string; metric: string; data: Uint8Array }[]
  late: { tenant: string; data: Uint8Array }[]
  settlement: Settlement
}

/** The checkpoint store of one partition. */
export interface StateStore {
  /** Read from the leader. */
  head(): Promise<StoredHead>
  /** Compare-and-set of the head alone: takes the epoch. Rejects with Fenced. Answers the new revision. */
  claim(head: Head, revision: number): Promise<number>
  /**
   * One atomic batch; answers the head's new revision. Tries again while the outcome is unknown, and recognises its
   * own write by the nonce. Rejects with Fenced when another epoch or write has moved the head.
   */
  commit(batch: CheckpointBatch, revision: number): Promise<number>
  /** One of the chunks of a segment: each stands alone. The first has all clocks, definitions and tenants. */
  readChunk(ref: SegmentRef, number: number): Promise<Segment>
  /** Writes a merged segment; it counts only once a head's manifest names it. Answers its last stream sequence. */
  writeSegment(ref: SegmentRef, chunks: Uint8Array[]): Promise<number>
  /** Removes the segments of a level that were written before this stream sequence: no manifest names them any more. */
  dropLevel(level: number, before: number): Promise<void>
  /**
   * Removes what a crash left behind: every segment but these that was written before this stream sequence. The bound is
   * the head's revision at the claim: whoever is late with this, and has lost the partition meanwhile, must not take the
   * segments of the next owner.
   */
  dropOrphans(keep: readonly SegmentRef[], before: number): Promise<void>
}

/** What processors tell each other about their partitions, and operators. */
export interface ReportExchange {
  publish(report: PartitionReport): void
  /** The newest report of every partition that was heard of. */
  partitions(): readonly PartitionReport[]
}

/** What gateways are to shed, by partition. */
export interface SheddingBook {
  /** The newest decision that was heard of, whoever made it. */
  last(partition: number): PartitionShedding | undefined
  /**
   * Stores a decision, of which every gateway hears; changes nothing where an owner of a higher epoch has decided. Rejects
   * when nobody knows whether it is stored.
   */
  publish(decision: PartitionShedding): Promise<void>
}

/** Another owner has taken the partition: stop at once, write nothing more. */
export class Fenced extends Error {
  constructor(partition: number, detail: string) {
    super(`partition ${partition} belongs to another owner now: ${detail}`)
    this.name = 'Fenced'
  }
}

/** Leases on names (partitions, storage). Held by heartbeat; judged by the observer's own monotonic clock. */
export interface Leases {
  /** An owner that is silent for so long is dead, milliseconds. */
  readonly leaseMs: number
  /** Id of this member. */
  readonly self: string
  /** Tries to get the lease; true when it is held from now on. */
  acquire(name: string): Promise<boolean>
  /** Tells the others that the holder is at work under the lease. */
  ready(name: string): Promise<void>
  /** Gives it back: the next one need not wait for the time-out. */
  release(name: string): Promise<void>
  /** Calls back when a lease that was held is lost (another one took it). */
  onLost(listener: (name: string) => void): void
  /** Calls back when a lease gets, loses or changes its holder, and when a member comes or goes. */
  onChange(listener: () => void): void
  look(name: string): LeaseState
  /** Members of this kind that are alive and have not left. */
  members(): Member[]
  /** Tells the others that this member will not take the lease. */
  decline(name: string): Promise<void>
  /** No longer a member: what it holds is for others, and it takes nothing more. */
  leave(): Promise<void>
  close(): Promise<void>
}

export interface LeaseState {
  /** Member that holds it; null: it is free. */
  owner: string | null
  /** The holder is at work under it. */
  isReady: boolean
  /** How long it has been free although it is known, milliseconds. */
  ownerlessMs: number
}

export interface Member {
  id: string
  /** Leases that it will not take. */
  declines: ReadonlySet<string>
}

/** State or log of a partition was written by a newer version than this one: only that one can go on with it. */
export class NewerFormat extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'NewerFormat'
  }
}

/** One checkpoint's outputs as storage reads them. */
export interface CheckpointOutputs extends TraceHeaders {
  settlement: Settlement
  /** Null when some of them have expired: what they said follows from the frames and the settlement. */
  aggregates: AggregateRow[] | null
  /** The same. */
  sessions: SessionRow[] | null
  /** The same. */
  late: LateEvent[] | null
}

/** The settlements of checkpoints up to `checkpoint` have expired; these had settled the log up to `sequence`. */
export interface SettlementsGone {
  checkpoint: number
  sequence: number
}

/** What a fold needs to know to go on from a checkpoint, but for the windows and identities. */
export interface FoldState {
  clocks: Clock[]
  definitions: DefinitionState[]
  tenants: TenantState[]
}

/** Outputs of one partition for the OLAP writer. */
export interface OutputFeed {
  /**
   * Checkpoints after `afterCheckpoint`, in order, without a hole: what has expired is told as SettlementsGone, once
   * the leader has confirmed it.
   */
  read(
    partition: number,
    afterCheckpoint: number,
    signal: AbortSignal,
  ): AsyncIterable<CheckpointOutputs | SettlementsGone>
  /** Messages from..to of the partition's log, those that are still there. */
  frames(partition: number, from: number, to: number): AsyncIterable<LogMessage>
  /** The newest checkpoint of the partition; 0 when there is none. */
  newest(partition: number): Promise<number>
  /** Clocks, definitions and tenants of the newest checkpoint: the processor's own. */
  newestState(partition: number): Promise<FoldState>
  /** Rows of sessions that the processor's newest state has: all that are open, and others. */
  liveSessions(partition: number): Promise<SegmentSession[]>
}

/** Settlements of one partition and the frames that they name: what an archive reads. */
export interface SettledFeed extends Pick<OutputFeed, 'frames'> {
  /** Settlements of the checkpoints after `afterCheckpoint`, as OutputFeed.read has them. */
  read(partition: number, afterCheckpoint: number, signal: AbortSignal): AsyncIterable<Settlement | SettlementsGone>
}

/** What is written together: all of it or nothing. At most one part a partition. */
export interface OlapBatch {
  parts: OlapPart[]
}

/** Outputs of one partition's checkpoints after `after` up to `checkpoint`. */
export interface OlapPart {
  partition: number
  after: number
  checkpoint: number
  /** Last log sequence that these checkpoints settled. */
  sequence: number
  raw: RawEvents[]
  aggregates: AggregateRow[]
  sessions: SessionRow[]
  /** Rows of sessions that were cut by a hole: all that is stored of the sessions goes before the rows above come. */
  replaced: SessionRow[]
  late: LateEvent[]
  /** Events that the processor found to be duplicates, by tenant, and their lines. */
  duplicates: Record<string, number>
  repeated: RawLines[]
  /** What became of all events, by tenant and minute of receipt. */
  settled: Settled[]
  /** What changed of the fold's state. */
  definitions: DefinitionState[]
  markers: Marker[]
  clocks: Clock[]
  tenants: TenantState[]
  /** What of these checkpoints the store will lack. */
  holes: Hole[]
}

/** Where the store stands in one partition. */
export interface StoredPartition extends FoldState {
  checkpoint: number
  /** Last log sequence that is settled. */
  sequence: number
}

/** Counted events of one frame. */
export type RawEvents = RawLines | LogLines

/**
 * Lines of one frame as bytes of UTF-8, as they stand in the log: [starts[i], ends[i]) is the line with the place
 * `indexes[i]` in the frame. Nobody makes text of them on their way to a store.
 */
export interface LogLines {
  sequence: number
  data: Uint8Array
  indexes: number[]
  starts: number[]
  ends: number[]
}

/** Lines of one frame that have one outcome: EventLine JSON as it stands in the log. */
export interface RawLines {
  sequence: number
  /** `indexes[i]` is the place in the frame of line i. */
  lines: string[]
  indexes: number[]
}

/** A mark of byte order at the start of a line is text of it. */
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** The events as text. */
export const textOf = (events: RawEvents): RawLines => {
  if ('lines' in events) return events
  const { sequence, data, indexes, starts, ends } = events
  return { sequence, indexes, lines: starts.map((start, i) => decoder.decode(data.subarray(start, ends[i]))) }
}

/** What the headers of a log say from after `after` up to `sequence`. */
export interface ReceivedPart {
  partition: number
  after: number
  sequence: number
  frames: FrameCounts[]
}

/** Headers of one frame. */
export interface FrameCounts {
  sequence: number
  received: Received[]
}

/** Headers of the logs and nothing else of them: what gateways received, told apart from what became of it. */
export interface HeaderFeed {
  /** Messages after `sequence`, in order; what has expired is left out. Ends when `signal` aborts. */
  read(partition: number, sequence: number, signal: AbortSignal): AsyncIterable<FrameCounts>
  /** Last sequence of the log now; 0 when nothing was ever written. */
  last(partition: number): Promise<number>
}

/** The OLAP store's write side: one writer, one transaction a batch. */
export interface OlapWriter extends OlapReader, OlapOperator {
  /**
   * Rows and positions in one transaction. A part that is stored already is left out; one that does not follow the
   * stored position rejects with OutOfSequence, and nothing is written. A late event whose identity is in raw_events is
   * a duplicate. A line that the store cannot hold becomes a dead letter INVALID.
   */
  write(batch: OlapBatch): Promise<void>
  positions(): Promise<Positions>
  /**
   * Counts and the places up to which headers were read in one transaction. What is there already is left out, one that
   * does not follow rejects with OutOfSequence, and nothing is written.
   */
  writeReceived(parts: readonly ReceivedPart[]): Promise<void>
  logPositions(): Promise<LogPositions>
  /** By partition: from where to go on, as of the last write. */
  partitions(): Promise<StoredPartition[]>
  /**
   * Rows of sessions of a partition that an event after the stored position may still change (see sessionBounds): the
   * newest of each, without those that are retracted.
   */
  openSessions(partition: number): Promise<SessionRow[]>
  /** Drops what is older than the retention; merges deltas of old windows. */
  maintain(now: number): Promise<void>
  close(): Promise<void>
}

/** A part does not start where the store is: somebody else has written, or a checkpoint was skipped. */
export class OutOfSequence extends Error {
  constructor(partition: number, stored: number, after: number) {
    super(`partition ${partition}: the store is at checkpoint ${stored}, the rows start after ${after}`)
    this.name = 'OutOfSequence'
  }
}

/** What an object is made of: bytes, or a file of this machine. */
export type ObjectBody = Uint8Array | { path: string }

export interface ObjectInfo {
  name: string
  bytes: number
  /** Another one after every write: what a compare-and-set compares. */
  generation: string
  /** When it was written, milliseconds since 1970 by the store's clock. */
  at: number
}

/**
 * Objects under names of `/`-separated parts. An object appears whole or not at all, and once a write was acknowledged it
 * is durable and every reader sees it. Whatever is not answered in time rejects; nobody then knows whether it happened.
 */
export interface ObjectStore {
  /** Where it is, in words. */
  readonly place: string
  /**
   * Writes where there is no object of that name (`generation` null), or where there is the one of that generation.
   * Otherwise rejects with ObjectConflict and changes nothing. The body's CRC-32C is compared with what was stored.
   */
  put(name: string, body: ObjectBody, generation: string | null): Promise<ObjectInfo>
  /** The whole object in memory; null where there is none. */
  get(name: string): Promise<{ info: ObjectInfo; data: Uint8Array } | null>
  /** Copies it into a file; rejects with ObjectMissing where there is none. */
  fetch(name: string, path: string): Promise<void>
  info(name: string): Promise<ObjectInfo | null>
  /** CRC-32C of the bytes that are stored, as ArchiveFile has it; rejects with ObjectMissing. */
  checksum(name: string): Promise<string>
  /** Objects whose names begin so, by name. */
  list(prefix: string): AsyncIterable<ObjectInfo>
  /** Nothing happens where there is none. */
  delete(name: string): Promise<void>
}

/** There is another object under this name than the writer took for granted. */
export class ObjectConflict extends Error {
  constructor(name: string) {
    super(`${name} is there already, or has changed`)
    this.name = 'ObjectConflict'
  }
}

export class ObjectMissing extends Error {
  constructor(name: string) {
    super(`${name} is not there`)
    this.name = 'ObjectMissing'
  }
}

/** A file of rows that is ready to be stored. */
export interface EncodedFile {
  body: ObjectBody
  rows: number
  bytes: number
  crc32c: string
  /** Lets go of what it takes on this machine. */
  discard(): Promise<void>
}

/** Lines of one frame of a partition as bytes. */
export interface PlainLines extends LogLines {
  partition: number
}

/** What one frame has for one file. */
export interface ArchiveLines {
  group: ArchiveGroup
  rows: ArchiveRow[]
  /** Lines that say all of their row (see PlainLineScanner), so that nobody has to make one of them. */
  plain: PlainLines | null
}

/** Rows of one chunk on their way into files, by group. */
export interface ChunkRows {
  /** The bytes of plain lines are taken before it resolves. */
  add(lines: ArchiveLines): Promise<void>
  /** The rows of a group as one file, about in the order of the log; the same rows give the same bytes, as far as one version goes. */
  encode(group: ArchiveGroup): Promise<EncodedFile>
  discard(): Promise<void>
}

/** Makes files of rows and reads them again. */
export interface ArchiveFiles {
  chunk(): Promise<ChunkRows>
  /** The rows of these objects as one file, by time. */
  merge(outcome: ArchiveOutcome, names: readonly string[]): Promise<EncodedFile>
  /** How many rows the object has, and how many of the file's it lacks. */
  compare(name: string, file: EncodedFile): Promise<{ rows: number; lacking: number }>
}

/** Reads counted events back. */
export interface ArchiveReader {
  /**
   * Lines of the messages from..to of a partition, in order, as far as the archive has them; without what was received
   * before `receivedAfter`, milliseconds since 1970.
   */
  counted(partition: number, from: number, to: number, receivedAfter?: number): AsyncIterable<RawLines>
}

/** Raw events of the hole of a partition that begins at a message, in the order of the log. */
export interface Restoration {
  partition: number
  firstSequence: number
  /** All that there is of the hole up to this message is in `raw`, or was in a restoration before. */
  to: number
  raw: RawLines[]
}

/** Puts raw events back into an OLAP store. */
export interface RawRestorer {
  /** Rows and how far the hole is filled in one transaction; what is there already is left out. Answers how many rows. */
  restore(restoration: Restoration): Promise<number>
}

/** Counted events of a chunk that is in the archive, by tenant and minute of receipt. */
export interface ArchivedPart {
  partition: number
  /** Its last message. */
  to: number
  counted: { tenant: string; minute: number; events: number }[]
}

/** The books of the archive: the same part may come again and counts once. */
export interface ArchiveLedger {
  writeArchived(part: ArchivedPart): Promise<void>
}

/** A partition's position with the revision that the next compare-and-set expects (0: there is none). */
export interface StoredPosition {
  position: ArchivePosition
  revision: number
}

/** Where the archive stands in each partition. */
export interface ArchiveBook {
  read(partition: number): Promise<StoredPosition>
  /** Compare-and-set; answers the new revision. Rejects with PositionMoved where somebody else has written. */
  write(partition: number, position: ArchivePosition, revision: number): Promise<number>
}

/** Somebody else has moved the archive's position. */
export class PositionMoved extends Error {
  constructor(partition: number) {
    super(`partition ${partition}: another process has moved the archive's position`)
    this.name = 'PositionMoved'
  }
}
