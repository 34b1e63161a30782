import type { AggregateRow, Outcome, Segment, SessionRow } from '#schema/checkpoint.ts'
import { decodeOutcomes } from '#schema/checkpoint.ts'
import type { EventLine } from '#schema/event.ts'
import type { ControlRecord } from '#schema/frame.ts'
import type { Received } from '#schema/ledger.ts'
import type { MetricDefinition } from '#schema/metric.ts'
import { decodeSegment, encodeSegment } from '#schema/segment.ts'
import { mergeSegments } from '#schema/segment-merge.ts'
import { PartitionFold, type Sealed } from './fold.ts'

const SEED = Uint32Array.of(1, 2, 3, 4)
const encoder = new TextEncoder()

/** 10:00:00 of the tests' day; times below are seconds after it. */
const BASE = Date.UTC(2026, 0, 1, 10)
export const at = (seconds: number): number => BASE + seconds * 1000

export interface TestEvent {
  id: string
  /** Seconds after BASE; receivedAt and the broker's time are the frame's. */
  time: number
  tenant?: string
  source?: string
  key?: string
  name?: string
  country?: string
  properties?: Record<string, unknown>
  weight?: number
}

export const metric = (over: Partial<MetricDefinition> = {}): MetricDefinition => ({
  name: 'views',
  event: '*',
  where: [],
  measure: { kind: 'COUNT' },
  dimensions: [],
  windows: [{ kind: 'TUMBLING', sizeMs: 60_000 }],
  version: 1,
  ...over,
})

/** Lines of a frame that was received `now` seconds after BASE. */
const linesOf = (now: number, events: readonly TestEvent[]): string =>
  events
    .map(
      (event): EventLine => ({
        tenant: event.tenant ?? 'main',
        source: event.source ?? 'live',
        receivedAt: at(now),
        time: at(event.time),
        key: event.key ?? 'k',
        weight: event.weight ?? 1,
        schema: 0,
        ...(event.country ? { country: event.country } : {}),
        e: { id: event.id, name: event.name ?? 'view', ...(event.properties ? { properties: event.properties } : {}) },
      }),
    )
    .map((line) => JSON.stringify(line))
    .join('\n')

/** A log of one partition, the fold that reads it, and what its checkpoints said, for tests with hand-made cases. */
export class FoldHarness {
  fold = new PartitionFold(SEED)
  readonly sealed: Sealed[] = []
  private segments: Segment[] = []
  private sequence = 0

  define(definition: MetricDefinition, tenant = 'main'): this {
    return this.control({ kind: 'defineMetric', tenant, metric: definition })
  }

  control(record: ControlRecord): this {
    this.fold.apply({
      sequence: ++this.sequence,
      storedAt: BASE,
      kind: 'control',
      data: encoder.encode(JSON.stringify(record)),
    })
    return this
  }

  /** One frame, stored and received `now` seconds after BASE. Answers what became of each event. */
  frame(now: number, ...events: TestEvent[]): Outcome[] {
    return this.raw(now, linesOf(now, events))
  }

  /** The same without a checkpoint after it. */
  append(now: number, ...events: TestEvent[]): number {
    return this.apply(now, linesOf(now, events))
  }

  private apply(now: number, text: string, received?: Received[]): number {
    const sequence = ++this.sequence
    this.fold.apply({ sequence, storedAt: at(now), kind: 'events', received, data: encoder.encode(text) })
    return sequence
  }

  /** `received`: what the frame's headers say. */
  raw(now: number, text: string, received?: Received[]): Outcome[] {
    const sequence = this.apply(now, text, received)
    const outcomes = this.seal().outcomes[sequence]
    return outcomes === undefined ? text.split('\n').map(() => 'C') : decodeOutcomes(outcomes)
  }

  seal(): Sealed {
    const sealed = this.fold.seal(this.sealed.length + 1, BASE)
    this.sealed.push(sealed)
    this.segments.push(decodeSegment(encodeSegment(sealed.segment)))
    return sealed
  }

  /** Drops rows of sessions from the state, as compaction does where nothing can change them any more. */
  forget(dropped: (row: SessionRow) => boolean): this {
    this.segments = this.segments.map((one) => ({ ...one, sessions: one.sessions.filter((row) => !dropped(row)) }))
    return this
  }

  /** Throws the fold away and makes it anew from what the checkpoints had written, merged to one segment or not. */
  restart({ merged = true } = {}): this {
    const sequence = this.sequence
    if (merged) this.segments = [mergeSegments(this.segments)]
    this.fold = new PartitionFold(SEED, sequence)
    for (const segment of this.segments) this.fold.restore(segment)
    return this
  }

  /** Totals of a metric as `start dims` → row, from all deltas so far; starts in seconds after BASE. */
  totals(name = 'views', tenant = 'main'): Record<string, AggregateRow> {
    const rows = mergeSegments(this.sealed.map(({ segment }) => segment)).rows
    return Object.fromEntries(
      rows
        .filter((row) => row.metric === name && row.tenant === tenant)
        .map((row) => [[(row.start - BASE) / 1000, ...row.dims].join(' '), row]),
    )
  }

  /** Sessions of a metric as the newest rows have them, retracted ones left out: `session start–end dims` → row. */
  sessions(name = 'views', tenant = 'main'): Record<string, SessionRow> {
    const rows = mergeSegments(this.sealed.map(({ segment }) => segment)).sessions
    return Object.fromEntries(
      rows
        .filter((row) => row.metric === name && row.tenant === tenant && !row.retracted)
        .map((row) => {
          const [start, end] = [row.start, row.end].map((time) => (time - BASE) / 1000)
          return [[row.session, `${start}–${end}`, ...row.dims].join(' '), row]
        }),
    )
  }

  /** Events by window start, in seconds after BASE. */
  events(name = 'views', tenant = 'main'): Record<string, number> {
    return Object.fromEntries(Object.entries(this.totals(name, tenant)).map(([key, row]) => [key, row.events]))
  }

  /** Seconds after BASE. */
  watermark(tenant = 'main', source = 'live'): number {
    return (this.fold.tenant(tenant).clock(source).watermark - BASE) / 1000
  }
}
