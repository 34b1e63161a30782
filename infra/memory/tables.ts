import { type FoldState, type OlapPart, OutOfSequence, type ReceivedPart, textOf } from '#processors/ports.ts'
import type { AggregateRow, Clock, DefinitionState, LateEvent, SessionRow, TenantState } from '#schema/checkpoint.ts'
import { type NewCorrection, sliceKey } from '#schema/correction-list.ts'
import { mergeCorrections } from '#schema/corrections.ts'
import type { EventLine } from '#schema/event.ts'
import type { Received, Settled } from '#schema/ledger.ts'
import { mergeJson, stateFromJson, stateToJson } from '#schema/measures.ts'
import type { OlapRow, Positions, StoredHole, StoredMarker } from '#schema/olap.ts'
import { sessionRowKey } from '#schema/session-rows.ts'

/** An event that counted, with its place in the log. */
export interface MemoryEvent {
  partition: number
  sequence: number
  index: number
  line: EventLine
}

export interface MemoryLetter extends LateEvent {
  partition: number
}

/** What a fold would have to know to go on from a partition's position. */
interface MemoryFold {
  clocks: Map<string, Clock>
  definitions: Map<string, DefinitionState>
  tenants: Map<string, TenantState>
}

/** What is stored: the disk, as it were. It outlives the process that writes it. */
export interface MemoryTables {
  positions: Positions
  /** By partition: last log sequence that is settled and stored, and the last one whose headers were counted. */
  sequences: number[]
  received: number[]
  folds: MemoryFold[]
  /** What gateways received by the headers of frames, and what became of it by settlements. */
  receivedSlots: (Received & { partition: number; sequence: number })[]
  settledSlots: Settled[]
  holes: StoredHole[]
  events: MemoryEvent[]
  letters: MemoryLetter[]
  /** Late events that had counted already, and duplicates that the processors found, by tenant. */
  duplicates: Map<string, number>
  /** By sliceKey. */
  rows: Map<string, OlapRow>
  /** The newest row of each series of a session. */
  sessions: Map<string, SessionRow & { partition: number }>
  /** Oldest first. */
  corrections: (NewCorrection & { at: number })[]
  /** Of events and dead letters. */
  identities: Set<string>
  /** By gateway and partition. */
  markers: Map<string, StoredMarker & { gateway: string }>
}

export const createMemoryTables = (partitions: number): MemoryTables => ({
  positions: new Array<number>(partitions).fill(0),
  sequences: new Array<number>(partitions).fill(0),
  received: new Array<number>(partitions).fill(0),
  folds: Array.from({ length: partitions }, () => ({ clocks: new Map(), definitions: new Map(), tenants: new Map() })),
  receivedSlots: [],
  settledSlots: [],
  holes: [],
  events: [],
  letters: [],
  duplicates: new Map(),
  rows: new Map(),
  sessions: new Map(),
  corrections: [],
  identities: new Set(),
  markers: new Map(),
})

const identityOf = ({ tenant, source, key, e }: EventLine): string => JSON.stringify([tenant, source, key, e.id])

const mergeRow = (known: OlapRow | undefined, row: AggregateRow): OlapRow => {
  if (!known) return { ...row, revision: 1 }
  const state = stateFromJson(known)
  mergeJson(state, row)
  const { tenant, metric, version, size, start, dims } = known
  const events = known.events + row.events
  const corrected = mergeCorrections(known, row)
  const revision = known.revision + 1
  return { tenant, metric, version, size, start, dims, events, ...corrected, revision, ...stateToJson(state) }
}

export const writePart = (tables: MemoryTables, part: OlapPart): void => {
  const { partition } = part
  for (const { sequence, lines, indexes } of part.raw.map(textOf)) {
    for (const [i, text] of lines.entries()) {
      const line = JSON.parse(text) as EventLine
      tables.events.push({ partition, sequence, index: indexes[i], line })
      tables.identities.add(identityOf(line))
    }
  }
  for (const row of part.aggregates) tables.rows.set(sliceKey(row), mergeRow(tables.rows.get(sliceKey(row)), row))
  for (const row of part.replaced) tables.sessions.delete(sessionRowKey(row))
  for (const row of part.sessions) {
    const known = tables.sessions.get(sessionRowKey(row))
    if (!known || known.revision <= row.revision) tables.sessions.set(sessionRowKey(row), { ...row, partition })
  }
  for (const [tenant, count] of Object.entries(part.duplicates)) countDuplicates(tables, tenant, count)
  for (const { gateway, number } of part.markers)
    tables.markers.set(`${gateway} ${partition}`, { gateway, partition, number })
  tables.settledSlots.push(...part.settled)
  for (const hole of part.holes) tables.holes.push({ ...hole, foundAt: Date.now(), acknowledgedAt: null })
  noteFold(tables.folds[partition], part)
  tables.positions[partition] = part.checkpoint
  tables.sequences[partition] = part.sequence
}

const noteFold = (fold: MemoryFold, { clocks, definitions, tenants }: FoldState): void => {
  for (const clock of clocks) fold.clocks.set(`${clock.tenant} ${clock.source}`, clock)
  for (const state of definitions) {
    const key = `${state.tenant} ${state.definition.name}`
    const known = fold.definitions.get(key)
    if (!known || known.definition.version < state.definition.version) fold.definitions.set(key, state)
  }
  for (const settings of tenants) {
    const known = fold.tenants.get(settings.tenant)
    if (!known || known.version < settings.version) fold.tenants.set(settings.tenant, settings)
  }
}

export const writeReceived = (tables: MemoryTables, parts: readonly ReceivedPart[]): void => {
  for (const { partition, after, frames, sequence } of parts) {
    if (after !== tables.received[partition]) throw new OutOfSequence(partition, tables.received[partition], after)
    for (const frame of frames) {
      const place = { partition, sequence: frame.sequence }
      tables.receivedSlots.push(...frame.received.map((slot) => ({ ...slot, ...place })))
    }
    tables.received[partition] = sequence
  }
}

const countDuplicates = (tables: MemoryTables, tenant: string, count: number): void => {
  if (count > 0) tables.duplicates.set(tenant, (tables.duplicates.get(tenant) ?? 0) + count)
}

/** After the batch's own events: the first copy of a late one may be among them. Another copy of a letter is none. */
export const writeLate = (tables: MemoryTables, { partition, late }: OlapPart): void => {
  for (const event of late) {
    const { line } = event
    const identity = event.code === 'LATE' && line ? identityOf(line) : undefined
    if (line && identity !== undefined && tables.identities.has(identity)) countDuplicates(tables, line.tenant, 1)
    else tables.letters.push({ ...event, partition })
    if (identity !== undefined) tables.identities.add(identity)
  }
}
