import type { CheckpointOutputs, OlapPart } from '#processors/ports.ts'
import type { SessionRow, Settlement, TenantState } from '#schema/checkpoint.ts'
import { readControl } from '#schema/control.ts'
import type { LogMessage } from '#schema/frame.ts'
import { addSettled, receivedMinute, type Settled } from '#schema/ledger.ts'
import { onlyTrace, type TraceHeaders } from '#schema/trace.ts'
import type { SettledFrames } from './frames.ts'
import { holesOf, joinHoles } from './holes.ts'
import { readLines } from './lines.ts'
import type { Deltas } from './refill.ts'

/** A part, what it takes in memory until it is written, and where its checkpoint stands in a trace. */
export interface SizedPart extends TraceHeaders {
  part: OlapPart
  bytes: number
}

/** About what a row of a delta takes as JSON; only for the bound on memory. */
const ROW_BYTES = 200

/** What was settled before there were minutes of receipt counts in the minute in which it was. */
const settledMinutes = ({ minutes, totals, at }: Settlement): Settled[] =>
  minutes ?? Object.entries(totals).map(([tenant, counts]) => ({ tenant, minute: receivedMinute(at), ...counts }))

const settingsIn = (messages: readonly LogMessage[]): TenantState[] =>
  messages.flatMap(({ kind, data }) => {
    if (kind !== 'control') return []
    const record = readControl(data)
    if (typeof record === 'string' || record.kind !== 'tenant') return []
    const { kind: _, ...settings } = record
    return [settings]
  })

/**
 * What one checkpoint writes. `deltas`: as they stood in the outputs, or as a refill has made them anew; `replaced`: see
 * OlapPart.
 */
export const toPart = (
  outputs: CheckpointOutputs,
  frames: SettledFrames,
  deltas: Deltas,
  replaced: SessionRow[] = [],
): SizedPart => {
  const { settlement } = outputs
  const { partition, checkpoint, to, totals, definitions, clocks, markers = [] } = settlement
  const { aggregates, sessions, late } = deltas
  const lines = frames.messages.map((message) => readLines(settlement, message))
  const raw = lines.map(({ counted }) => counted).filter((counted) => counted.indexes.length > 0)
  const part: OlapPart = {
    partition,
    after: checkpoint - 1,
    checkpoint,
    sequence: to,
    raw,
    aggregates,
    sessions,
    replaced,
    late,
    duplicates: Object.fromEntries(Object.entries(totals).map(([tenant, { D }]) => [tenant, D])),
    repeated: lines.map(({ repeated }) => repeated).filter((repeated) => repeated.lines.length > 0),
    settled: settledMinutes(settlement),
    definitions,
    markers,
    clocks,
    tenants: settingsIn(frames.messages),
    holes: holesOf(settlement, frames, raw, outputs.aggregates !== null),
  }
  const bytes = frames.messages.reduce((sum, { data }) => sum + data.length, 0)
  return { part, bytes: bytes + ROW_BYTES * (aggregates.length + sessions.length + late.length), ...onlyTrace(outputs) }
}

const addCounts = (all: readonly Record<string, number>[]): Record<string, number> => {
  const sum: Record<string, number> = {}
  for (const counts of all) {
    for (const [tenant, count] of Object.entries(counts)) sum[tenant] = (sum[tenant] ?? 0) + count
  }
  return sum
}

/** Parts of one partition, each of which follows the one before, as one. Deltas stay apart: each is a revision. */
export const joinParts = (parts: readonly OlapPart[]): OlapPart => ({
  ...parts[parts.length - 1],
  after: parts[0].after,
  raw: parts.flatMap(({ raw }) => raw),
  aggregates: parts.flatMap(({ aggregates }) => aggregates),
  sessions: parts.flatMap(({ sessions }) => sessions),
  replaced: parts.flatMap(({ replaced }) => replaced),
  late: parts.flatMap(({ late }) => late),
  duplicates: addCounts(parts.map(({ duplicates }) => duplicates)),
  repeated: parts.flatMap(({ repeated }) => repeated),
  settled: addSettled(parts.map(({ settled }) => settled)),
  definitions: parts.flatMap(({ definitions }) => definitions),
  markers: parts.flatMap(({ markers }) => markers),
  clocks: parts.flatMap(({ clocks }) => clocks),
  tenants: parts.flatMap(({ tenants }) => tenants),
  holes: joinHoles(parts.flatMap(({ holes }) => holes)),
})
