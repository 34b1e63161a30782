import {
  type AggregateRow,
  type Clock,
  type Counts,
  type DefinitionState,
  encodeOutcomes,
  type FoldedRow,
  type LateEvent,
  type Outcome,
  type Segment,
  type SessionRow,
} from '#schema/checkpoint.ts'
import { readControl } from '#schema/control.ts'
import type { EventLine } from '#schema/event.ts'
import type { ControlRecord, LogMessage, Marker } from '#schema/frame.ts'
import type { Hash128 } from '#schema/hash.ts'
import { receivedMinute, type Settled } from '#schema/ledger.ts'
import { FrameReader } from '#schema/scan/frame-reader.ts'
import { wholeLine } from '#schema/scan/scanned-line.ts'
import type { Prepared } from './active-metric.ts'
import { deadControl, deadLetter, deadLines, type UnreadableLine } from './dead-letter.ts'
import { type Judge, judgeByMemory } from './judge.ts'
import { NO_TENANT, Tally } from './tally.ts'
import { TenantFold } from './tenant.ts'
import { firstLiveMinute, type SourceClock } from './watermark.ts'

/** What a partition has folded since its last checkpoint. */
export interface Sealed {
  from: number
  to: number
  /** Ranges of from..to that are gone from the log. */
  missing: { from: number; to: number }[]
  rows: AggregateRow[]
  sessions: SessionRow[]
  late: { tenant: string; event: LateEvent }[]
  totals: Record<string, Counts>
  /** The same by minute of receipt. */
  minutes: Settled[]
  outcomes: Record<string, string>
  clocks: Clock[]
  definitions: DefinitionState[]
  markers: Marker[]
  segment: Segment
}

/** Totals that nobody touched for this long, and that are final, are forgotten. Broker's time, so a replay does the same. */
const EVICT_AFTER_MS = 15 * 60_000
const SWEEP_MS = 60_000
/** After a long outage only the newest are told: a settlement is one message. */
const MOST_MARKERS = 200

/**
 * The fold of one partition: a pure function of its log. It reads no clock and does no I/O; all time comes from the
 * events and from the broker's stamps.
 */
export class PartitionFold {
  /** Last log sequence that was read. */
  sequence: number
  readonly tenants = new Map<string, TenantFold>()
  private readonly judge: Judge
  private readonly reader = new FrameReader()
  private sealedTo: number
  private late: { tenant: string; event: LateEvent }[] = []
  private tally = new Tally()
  private outcomes: Record<string, string> = {}
  private definitions: DefinitionState[] = []
  private markers: Marker[] = []
  private missing: { from: number; to: number }[] = []
  private settingsChanged = new Set<string>()
  private sweptAt = 0
  /** Since the last message. */
  private restored = false
  private changedClocks = 0
  /** Events folded since the last seal: a measure of the next checkpoint's size. */
  pendingEvents = 0

  /** `judge`: the seed of identity hashes, to judge by memory; or who judges instead. */
  constructor(judge: Hash128 | Judge, sequence = 0) {
    this.judge = typeof judge === 'function' ? judge : judgeByMemory(judge)
    this.sequence = sequence
    this.sealedTo = sequence
  }

  tenant(name: string): TenantFold {
    let tenant = this.tenants.get(name)
    if (!tenant) {
      tenant = new TenantFold(name)
      this.tenants.set(name, tenant)
    }
    return tenant
  }

  /** Applies the next message of the log; answers the clocks of the events in it. */
  apply(message: LogMessage): ReadonlySet<SourceClock> {
    const touched = new Set<SourceClock>()
    if (this.restored) for (const tenant of this.tenants.values()) tenant.evictSessions()
    this.restored = false
    if (message.kind === 'control') this.controlFrame(message)
    else this.frame(message, touched)
    this.sequence = message.sequence
    if (message.storedAt - this.sweptAt >= SWEEP_MS) this.sweep(message.storedAt)
    return touched
  }

  /** Messages up to here are gone from the log: nothing can be counted of them. */
  skipTo(sequence: number): void {
    this.missing.push({ from: this.sequence + 1, to: sequence })
    this.sequence = sequence
  }

  /** Series with changes since the last seal: about the rows of the next checkpoint. */
  get pendingSeries(): number {
    let pending = 0
    for (const tenant of this.tenants.values()) pending += tenant.pending
    return pending
  }

  /** What the next settlement lists one by one, and must have room for: clocks, tenants, minutes of receipt. */
  get pendingEntries(): number {
    return this.changedClocks + this.tally.size
  }

  get hasChanges(): boolean {
    return this.sequence > this.sealedTo
  }

  /** Everything since the last seal. It must be committed, or this fold thrown away. */
  seal(checkpoint: number, now: number): Sealed {
    const rows: FoldedRow[] = []
    const sessions: SessionRow[] = []
    const segment: Segment = { rows: [], sessions: [], ids: [], clocks: [], definitions: this.definitions, tenants: [] }
    for (const tenant of this.tenants.values()) {
      const changes = tenant.takeChanges()
      rows.push(...changes.rows)
      sessions.push(...changes.sessions)
      for (const [source, table] of tenant.identities) {
        const words = table.takeFresh()
        if (words.length > 0) segment.ids.push({ tenant: tenant.name, source, words })
      }
      for (const clock of tenant.clocks.values()) {
        if (clock.changed) segment.clocks.push(clock.toJson())
        clock.changed = false
      }
      if (this.settingsChanged.has(tenant.name)) segment.tenants.push(tenant.settings)
    }
    segment.rows = rows.map((row) => ({ ...row, changed: checkpoint, changedAt: now, revision: 1 }))
    segment.sessions = sessions.map((row) => ({ ...row, changed: checkpoint, changedAt: now }))
    const sealed: Sealed = {
      from: this.sealedTo + 1,
      to: this.sequence,
      missing: this.missing,
      rows: rows.map(asOutput),
      sessions,
      late: this.late,
      totals: this.tally.totals,
      minutes: this.tally.byMinute,
      outcomes: this.outcomes,
      clocks: segment.clocks,
      definitions: this.definitions,
      markers: this.markers,
      segment,
    }
    this.reset()
    return sealed
  }

  /** State as segments have it, oldest first, in any pieces; before the first apply. */
  restore(segment: Segment): void {
    for (const settings of segment.tenants) this.tenant(settings.tenant).settings = settings
    for (const definition of segment.definitions) this.tenant(definition.tenant).define(definition)
    for (const clock of segment.clocks) this.tenant(clock.tenant).clock(clock.source).restore(clock)
    for (const { tenant, source, words } of segment.ids) {
      const of = this.tenant(tenant)
      const forgotten = firstLiveMinute(of.closedBefore(source))
      of.identitiesOf(source).restore(words, forgotten)
    }
    for (const row of segment.rows) {
      const metric = this.tenants.get(row.tenant)?.metrics.get(row.metric)
      if (metric?.compiled.definition.version !== row.version) continue
      metric.stores.find((store) => store.size === row.size)?.restore(row, row.changedAt)
    }
    for (const row of segment.sessions) this.tenants.get(row.tenant)?.restoreSession(row)
    this.restored = true
  }

  private reset(): void {
    this.sealedTo = this.sequence
    this.late = []
    this.tally = new Tally()
    this.outcomes = {}
    this.definitions = []
    this.markers = []
    this.missing = []
    this.settingsChanged.clear()
    this.pendingEvents = 0
    this.changedClocks = 0
  }

  private controlFrame(message: LogMessage): void {
    const record = readControl(message.data)
    if (typeof record === 'string') this.late.push({ tenant: NO_TENANT, event: deadControl(message, record) })
    else this.control(record, message)
  }

  private control(record: ControlRecord, message: LogMessage): void {
    const { sequence } = message
    switch (record.kind) {
      case 'defineMetric':
        this.define({ tenant: record.tenant, definition: record.metric, deleted: false, sequence })
        break
      case 'deleteMetric': {
        const known = this.tenant(record.tenant).definitions.get(record.name)
        if (!known) break
        const definition = { ...known.definition, version: record.version }
        this.define({ tenant: record.tenant, definition, deleted: true, sequence })
        break
      }
      case 'tenant': {
        const { kind: _, ...settings } = record
        const tenant = this.tenant(record.tenant)
        if (settings.version <= tenant.settings.version) break
        this.changedClocks += tenant.changeSettings(settings)
        this.settingsChanged.add(record.tenant)
        break
      }
      case 'tick':
        for (const { tenant, source, watermark } of record.clocks) {
          const clock = this.tenant(tenant).clock(source)
          this.moveClock(clock, message, () => clock.tick(watermark))
        }
        break
      case 'marker': {
        const { kind: _, ...marker } = record
        this.markers.push(marker)
        if (this.markers.length > MOST_MARKERS) this.markers.shift()
      }
    }
  }

  private moveClock(clock: SourceClock, message: LogMessage, change: () => void): void {
    const { changed: known, watermark: before } = clock
    change()
    if (clock.changed && !known) this.changedClocks++
    this.tenant(clock.tenant).advance(clock, before, message)
  }

  private define(state: DefinitionState): void {
    const remembered = this.tenant(state.tenant).define(state)
    if (remembered) this.definitions.push(remembered)
  }

  private frame(message: LogMessage, touched: Set<SourceClock>): void {
    const outcomes: Outcome[] = []
    const unreadable: UnreadableLine[] = []
    const { reader } = this
    reader.open(message.data)
    let index = 0
    for (let event = reader.next(); event !== null; event = reader.next()) {
      if (typeof event === 'string') unreadable.push({ index, text: reader.text, reason: event })
      outcomes.push(typeof event === 'string' ? 'I' : this.event(event, message, index, touched))
      index++
    }
    for (const { tenant, minute, event } of deadLines(unreadable, () => reader.lines(), message)) {
      this.tally.count(tenant, minute, 'I')
      this.late.push({ tenant, event })
    }
    for (const clock of touched)
      this.moveClock(clock, message, () => clock.endFrame(message.sequence, message.storedAt))
    if (outcomes.some((outcome) => outcome !== 'C')) this.outcomes[message.sequence] = encodeOutcomes(outcomes)
    this.pendingEvents += outcomes.length
  }

  private event(line: EventLine, message: LogMessage, index: number, touched: Set<SourceClock>): Outcome {
    const tenant = this.tenant(line.tenant)
    tenant.read.events++
    tenant.read.weight += line.weight
    const { latenessHorizonMs, outOfOrdernessMs } = tenant.settings
    const clock = tenant.clock(line.source)
    touched.add(clock)
    clock.observe(line, message.storedAt, outOfOrdernessMs)
    const { watermark } = clock
    const closedBefore = clock.closedBefore(latenessHorizonMs)
    const prepared = prepare(tenant, line)
    const isFoldable = typeof prepared !== 'string'
    const outcome = this.judge({ line, tenant, closedBefore, sequence: message.sequence, index, isFoldable })
    if (outcome === 'C' && isFoldable) tenant.fold(line, prepared, watermark, message.storedAt)
    if (outcome === 'L') {
      const reason = `older than the watermark by more than the lateness horizon of ${(watermark - closedBefore) / 1000} s`
      this.late.push({
        tenant: line.tenant,
        event: deadLetter(message, index, 'LATE', reason, watermark, wholeLine(line)),
      })
    }
    if (outcome === 'I') {
      const reason = isFoldable ? 'the event could not be folded when it was settled' : prepared
      this.late.push({
        tenant: line.tenant,
        event: deadLetter(message, index, 'INVALID', reason, watermark, wholeLine(line)),
      })
    }
    return this.tally.count(line.tenant, receivedMinute(line.receivedAt), outcome)
  }

  private sweep(storedAt: number): void {
    this.sweptAt = storedAt
    for (const tenant of this.tenants.values()) tenant.evict(storedAt - EVICT_AFTER_MS)
  }
}

/** What only a fold needs is no output. */
const asOutput = (row: FoldedRow): AggregateRow => {
  if (!row.unnamed) return row
  const { unnamed: _, ...output } = row
  return output
}

/** What folding the event will do, all of it prepared before any of it is done; or why it cannot be folded. */
const prepare = (tenant: TenantFold, line: EventLine): Prepared[] | string => {
  try {
    return tenant.prepare(line)
  } catch (error) {
    return `the event cannot be folded: ${error instanceof Error ? error.message : String(error)}`
  }
}
