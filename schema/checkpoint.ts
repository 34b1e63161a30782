import type { Corrections } from './corrections.ts'
import type { EventLine } from './event.ts'
import type { Marker } from './frame.ts'
import type { Settled } from './ledger.ts'
import type { MeasureJson } from './measures.ts'
import type { MetricDefinition } from './metric.ts'

/**
 * Version of heads, segments, settlements and deltas. A newer one is refused with a clear message.
 * 2: rows of a segment stand in groups, one a slice. 3: rows of sessions beside them.
 */
export const STATE_FORMAT = 3

/** What became of an event that was read: Counted, Duplicate, Late, Invalid. */
export type Outcome = 'C' | 'D' | 'L' | 'I'

/**
 * A change of one series in one slice. `aggregates.<tenant>.<metric>.<p>` carries these as newline-delimited JSON;
 * sums of them are the totals, in any order.
 */
export interface AggregateRow extends MeasureJson, Corrections {
  tenant: string
  metric: string
  /** Version of the definition. Points of different versions are never merged. */
  version: number
  /** Slice [start, start + size), milliseconds. */
  size: number
  start: number
  /** In the order of the metric's dimensions; the last series of a capped window is all OTHER. */
  dims: (string | null)[]
  /** Events folded in. */
  events: number
}

/**
 * One series of one session window as it is now, not a change of it: of the rows with one key (all up to dims, but end)
 * that with the highest revision is the one that holds, however often and in which order they come. All rows of a session
 * come from one partition.
 */
export interface SessionRow extends MeasureJson {
  tenant: string
  /** SESSIONS for the sessions that metrics on SESSION_END are folded from. */
  metric: string
  version: number
  /** Longest time between two events of a session, milliseconds. */
  gap: number
  source: string
  /** The key of its events. */
  session: string
  /** Of the first event. A session that begins earlier than was known retracts its rows and gets new ones. */
  start: number
  /** Last event + gap. A session ends at the latest end of its rows. */
  end: number
  dims: (string | null)[]
  events: number
  /** Of these, how many came after their own watermark had passed the end that the session had or got. */
  corrections: number
  /** 1 for the first row, and one more with each further one. */
  revision: number
  /** The session has merged with an earlier one, or begins earlier: nothing is counted here any more. */
  retracted?: true
  /** Of SESSIONS: where in the partition's log it was counted as ended. Absent while it goes on. */
  ended?: number
}

/** The metric of rows that stand for sessions themselves. No definition can have this name. */
export const SESSIONS = '_sessions'

/** What an output of aggregates holds: changes of slices, and sessions. */
export type OutputRow = AggregateRow | SessionRow

export const isSessionRow = (row: OutputRow): row is SessionRow => 'gap' in row

/** Dimensions of what the cap on series left without a name. */
export const OTHER = '__other__'

/** Clock of one (tenant, source) in one partition. */
export interface Clock {
  tenant: string
  source: string
  /** Milliseconds since 1970. */
  watermark: number
  /** No event for the idle time-out: the clock holds nobody back. */
  idle: boolean
  /** What is older was late under a horizon that was shorter than that of today, and stays so; absent: nothing. */
  closed?: number
}

export type Counts = Record<Outcome, number>

/**
 * `settled.<p>`, one a checkpoint, the last of its outputs: frames from..to are settled. Whoever reads it together with
 * the frames applies exactly the counted events. Checkpoint numbers of a partition have no holes.
 */
export interface Settlement {
  format: number
  partition: number
  checkpoint: number
  epoch: number
  /** First and last log sequence that this checkpoint read; to = from - 1 when it read none. */
  from: number
  to: number
  /** Ranges of from..to that had expired before anybody read them: nothing of them counts anywhere. */
  missing?: { from: number; to: number }[]
  /** Messages of aggregates and late events that stand before this one in the same checkpoint. */
  aggregates: number
  late: number
  /** Events by tenant and outcome. */
  totals: Record<string, Counts>
  /** The same by the minute in which a gateway received them; absent in what was written before there were books. */
  minutes?: Settled[]
  /** By log sequence, only of frames in which not every event counted: run lengths, as 3C1D2L. */
  outcomes: Record<string, string>
  /** Clocks that changed. */
  clocks: Clock[]
  /** Definitions that took effect, deletions included. */
  definitions: DefinitionState[]
  /** Markers among from..to, the newest of them where there are very many. */
  markers?: Marker[]
  /** When the owner committed it, milliseconds since 1970 by its clock. For lag only. */
  at: number
}

export interface DefinitionState {
  tenant: string
  definition: MetricDefinition
  deleted: boolean
  /** Its place in the partition's log; absent in what was written before places were kept. */
  sequence?: number
  /** Of metrics on SESSION_END: since which place in the log the sessions are followed that it counts. */
  sessionsSince?: number
}

export interface TenantState {
  tenant: string
  version: number
  latenessHorizonMs: number
  outOfOrdernessMs: number
}

/** One line of `late_events.<tenant>.<p>`. */
export interface LateEvent {
  sequence: number
  /** Place of the event in its frame. */
  index: number
  /**
   * No events are CONTROL, a control record that cannot be applied, and REFUSED, any other row that the store cannot
   * hold.
   */
  code: 'LATE' | 'INVALID' | 'CONTROL' | 'REFUSED'
  message: string
  /** Of its tenant, source and partition when it was judged; null where there is none. */
  watermark: number | null
  line: EventLine | null
  /** The raw line, when it could not be read. */
  raw?: string
  /** Of a line that could not be read: whose it is, and when it was received, by the headers of its frame. */
  tenant?: string
  receivedAt?: number
}

/** Key `head` of a partition's state: the one place that says what is true. */
export interface Head {
  format: number
  partition: number
  epoch: number
  owner: string
  /** Of the write that made it: an owner whose answer got lost recognises its own. */
  nonce: string
  checkpoint: number
  /** Last log sequence that is settled. */
  sequence: number
  /** Immutable segments that make up the state, oldest first. */
  manifest: SegmentRef[]
  /** Windows of a metric that end at or before the mark may have left the live state: the OLAP store answers them. */
  marks: Mark[]
}

export interface Mark {
  tenant: string
  metric: string
  /** Of slices, or the gap of sessions. */
  size: number
  /** It is of sessions. */
  sessions?: true
  /** Milliseconds since 1970. */
  mark: number
}

/** A segment is stored in chunks under segment.<level>.<id>.<0..chunks-1>. */
export interface SegmentRef {
  id: string
  /** 0: one checkpoint; n: merged from all segments that level n - 1 had. */
  level: number
  chunks: number
  bytes: number
}

/**
 * Of the series without a name in one slice of one partition, what is needed to find the heavy ones among them: their
 * weight, and counts by hash of the name. Additive, as rows are.
 */
export interface UnnamedJson {
  weight: number
  counts: [name: number, weight: number][]
}

/** A change as the fold has it: with what only it needs to go on. */
export interface FoldedRow extends AggregateRow {
  /** Of OTHER's row. */
  unnamed?: UnnamedJson
}

/** A row of a segment: a delta (level 0) or a sum of them, with what a live view needs. */
export interface SegmentRow extends FoldedRow {
  /** Checkpoint of the last change. */
  changed: number
  /** When that was, milliseconds since 1970 (the owner's clock): decides when it leaves the live state. */
  changedAt: number
  /** Changes so far. */
  revision: number
}

/** A row of a session with what a live view needs, as SegmentRow. */
export interface SegmentSession extends SessionRow {
  changed: number
  changedAt: number
}

/** Words of 32 bits of one identity: a 128-bit hash and the minute of its event time. */
export const WORDS_PER_ID = 5

/** Identities that were counted, WORDS_PER_ID words each. */
export interface SegmentIds {
  tenant: string
  source: string
  words: Uint32Array
}

export interface Segment {
  rows: SegmentRow[]
  sessions: SegmentSession[]
  ids: SegmentIds[]
  clocks: Clock[]
  definitions: DefinitionState[]
  tenants: TenantState[]
}

/** 'CCCDLL' → '3C1D2L'. */
export const encodeOutcomes = (outcomes: readonly Outcome[]): string => {
  let text = ''
  for (let i = 0; i < outcomes.length; ) {
    let end = i + 1
    while (end < outcomes.length && outcomes[end] === outcomes[i]) end++
    text += `${end - i}${outcomes[i]}`
    i = end
  }
  return text
}

export const decodeOutcomes = (text: string): Outcome[] => {
  const outcomes: Outcome[] = []
  for (const [, count, outcome] of text.matchAll(/(\d+)([CDLI])/g)) {
    for (let i = 0; i < Number(count); i++) outcomes.push(outcome as Outcome)
  }
  return outcomes
}
