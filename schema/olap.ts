import type { AggregateRow, SessionRow } from './checkpoint.ts'
import type { EventLine } from './event.ts'
import type { Marker } from './frame.ts'
import type { Condition, MeasureKind, MetricDefinition } from './metric.ts'

/** What became durable in the OLAP store: per partition the last checkpoint whose rows it holds (0: none). */
export type Positions = number[]

/** A total per series and slice: events, corrections and measure merged; `revision` counts the changes. */
export interface OlapRow extends AggregateRow {
  revision: number
}

/** Slices of one size of one metric whose start lies in [from, to), milliseconds. */
export interface AggregatesQuery {
  tenant: string
  metric: string
  version: number
  size: number
  from: number
  to: number
  /** Of this version of the metric, where it is known: a store need not look for what other measures keep. */
  measure?: MeasureKind
}

/** Session windows of one gap of one metric. Times and durations in milliseconds. */
interface SessionSeries {
  tenant: string
  metric: string
  version: number
  gap: number
}

/** Those whose start lies in [from, to). */
export interface SessionsQuery extends SessionSeries {
  from: number
  to: number
  /** Also what has been retracted. */
  retracted?: boolean
}

/** The newest `count` sessions that start before `before`, at most 10,000. */
export interface NewestSessionsQuery extends SessionSeries {
  before: number
  count: number
}

/** The newest row of each series, by start, source, session and dimensions. */
export interface StoredSessions {
  rows: SessionRow[]
  positions: Positions
}

export interface EventsQuery {
  tenant: string
  from: number
  to: number
  where: Condition[]
  first: number
  /** Opaque, from a former answer. */
  after?: string
}

/** A stored event. Times in milliseconds since 1970. */
export interface RawEvent {
  id: string
  name: string
  time: number
  receivedAt: number
  source: string
  sessionId: string
  userId: string | null
  anonymousId: string | null
  properties: Record<string, unknown> | null
  context: Record<string, unknown> | null
  country: string | null
}

export interface Page<T> {
  nodes: T[]
  endCursor: string | null
  hasNextPage: boolean
}

export interface DeadLetterFilter {
  code?: string
  name?: string
  from?: number
  to?: number
  ids?: string[]
}

export interface DeadLettersQuery {
  tenant: string
  filter: DeadLetterFilter
  first: number
  after?: string
}

export interface StoredDeadLetter {
  id: string
  code: string
  message: string
  path: string | null
  /** The client's part of the event, or the raw line where it could not be read. */
  event: unknown
  at: number
  watermark: number | null
}

export interface CorrectionsQuery {
  tenant: string
  metric?: string
  /** When it happened, [from, to), milliseconds. */
  from: number
  to: number
  first: number
  after?: string
}

/** A point that has changed by events that came when their own clock had passed its end. Times in milliseconds. */
export interface StoredCorrection {
  metric: string
  version: number
  /** Of a slice, or of a session. */
  windowStart: number
  windowEnd: number
  /** Of the series; of a session its id and those. */
  dimensions: (string | null)[]
  /** When the store took it. */
  at: number
  /** The point's value before and after, all partitions together; null where it has none. */
  from: number | null
  to: number | null
  /** How many such events there were. */
  events: number
}

/** A marker that is a row of the store, and with it all that stood before it in its partition. */
export interface StoredMarker extends Pick<Marker, 'number'> {
  partition: number
}

export interface TenantTotals {
  stored: number
  late: number
  duplicate: number
  invalid: number
}

/** The books of whole minutes [from, to), by when the gateway received the events. Milliseconds. */
export interface LedgerQuery {
  tenant: string
  from: number
  to: number
  /** Everything that was received until then is settled and stored; the storage process says so, whoever asks. */
  settledUntil: number | null
}

/** Accepted, rejected and shed as frames say it, what became of events as settlements do, stored as rows do. */
export interface Ledger {
  accepted: number
  counted: number
  late: number
  duplicate: number
  invalid: number
  shed: number
  rejected: number
  stored: number
  /** Counted events that are in the archive: later than stored, and no matter of the balance. */
  archived: number
  /** All who counted agree, minute by minute. */
  balanced: boolean
  settledUntil: number | null
}

/** Copies of one id that were received at or after `from`, milliseconds since 1970. */
export interface CopiesQuery {
  tenant: string
  id: string
  from: number
}

/** Place of a copy in the log. */
export interface StoredCopy {
  partition: number
  sequence: number
}

/** What a store has of an id: the newest of each kind. */
export interface Copies {
  stored: (StoredCopy & { line: EventLine }) | null
  deadLetter: (StoredCopy & { code: string; message: string }) | null
  duplicate: StoredCopy | null
  /** All of them, of all kinds. */
  occurrences: number
  /** By partition: last log sequence of which the store has everything. */
  sequences: number[]
}

/** Metrics of a tenant in force at a place of a partition's log. */
export interface DefinitionsQuery {
  tenant: string
  partition: number
  sequence: number
}

/** By partition: last log sequence that is settled and stored, and the last one whose headers were counted. */
export interface LogPositions {
  settled: number[]
  received: number[]
}

/** A question to the OLAP store and its answer. All but `sql`, `positions` and `markers` are of one tenant. */
export interface OlapReader {
  aggregates(query: AggregatesQuery): Promise<{ rows: OlapRow[]; positions: Positions }>
  sessions(query: SessionsQuery): Promise<StoredSessions>
  newestSessions(query: NewestSessionsQuery): Promise<StoredSessions>
  events(query: EventsQuery): Promise<Page<RawEvent>>
  deadLetters(query: DeadLettersQuery): Promise<Page<StoredDeadLetter> & { total: number }>
  /** Newest first. */
  corrections(query: CorrectionsQuery): Promise<Page<StoredCorrection>>
  /** Events by what became of them, as the store has them: a late event that had counted already is a duplicate. */
  totals(tenant: string): Promise<TenantTotals>
  positions(): Promise<Positions>
  ledger(query: LedgerQuery): Promise<Ledger>
  copies(query: CopiesQuery): Promise<Copies>
  definitions(query: DefinitionsQuery): Promise<MetricDefinition[]>
  /** The newest marker of a gateway in each partition that has one. */
  markers(gateway: string): Promise<StoredMarker[]>
  /** One read-only statement over all tenants, for operators. No access to files or settings. */
  sql(statement: string): Promise<{ columns: string[]; rows: unknown[][] }>
}

/** Messages of a partition's log, acknowledged once, that the store does not have. */
export interface Hole {
  partition: number
  /** The checkpoints that settled them, as far as is known. */
  firstCheckpoint: number
  lastCheckpoint: number
  /** All messages of the log from the first to the last. */
  firstSequence: number
  lastSequence: number
  /** Counted events in them; null where nobody can tell. */
  events: number | null
  /** PROCESSOR: they had expired before any processor read them, and count nowhere. STORE: before storage read them. */
  lostBy: 'PROCESSOR' | 'STORE'
  /** Whether the stored points hold what counted in them all the same. */
  aggregates: boolean
}

/** A hole as the store remembers it. */
export interface StoredHole extends Hole {
  /** Milliseconds since 1970. */
  foundAt: number
  /** When an operator took note of it; null while nobody has. */
  acknowledgedAt: number | null
  /** Raw events that the archive has given back, of the messages up to `to`; absent while it was not asked. */
  restored?: { to: number; events: number }
}

/** What an operator asks and tells the store. */
export interface OlapOperator {
  /** Oldest first. */
  holes(): Promise<StoredHole[]>
  /** An operator has taken note of all holes that are known: they are no alarm any more. Answers how many were. */
  acknowledgeHoles(): Promise<number>
}

/** All that can be asked of the store over the network. */
export type OlapService = OlapReader & OlapOperator
