import type { StoredMessage } from '#infra/nats/broker.ts'
import { readSettlement } from '#infra/nats/settlements.ts'
import { NewerFormat } from '#processors/ports.ts'
import { type Settlement, STATE_FORMAT } from '#schema/checkpoint.ts'
import { logStream, logSubject, outputFilters, stateStream } from '#schema/subjects.ts'

/** Sequences from..to; none where to < from. */
export interface Range {
  from: number
  to: number
}

/** A settlement and where it stands in the stream of its partition's state. */
export interface Settled {
  settlement: Settlement
  at: number
  message: StoredMessage
}

/** Throws on one of a newer format: what is behind it must wait for the version that reads it. */
export const toSettled = (message: StoredMessage): Settled => {
  const settlement = readSettlement(message)
  if (settlement.format > STATE_FORMAT) {
    throw new NewerFormat(
      `settlement ${message.seq} of partition ${settlement.partition} has format ${settlement.format}; this version reads up to ${STATE_FORMAT}`,
    )
  }
  return { settlement, at: message.seq, message }
}

/** Where the messages of a topic stand, and which of them a settlement names. */
export interface Source {
  stream(partition: number): string
  filter(partition: number): string
  range(settled: Settled): Range
  /** Parts of the range that nobody has ever read. */
  missing(settled: Settled): readonly Range[]
}

/** Frames of the log, of which every message has its settlement. */
export const LOG: Source = {
  stream: logStream,
  filter: logSubject,
  range: ({ settlement }) => ({ from: settlement.from, to: settlement.to }),
  missing: ({ settlement }) => settlement.missing ?? [],
}

/**
 * A checkpoint is one atomic batch, so its messages have sequences without a hole: first the state, then aggregates, then
 * late events, then the settlement, which says how many there are. So it is known of each whether it should be there,
 * long after it has expired.
 */
export const AGGREGATES: Source = {
  stream: stateStream,
  filter: (partition) => outputFilters(partition).aggregates,
  range: ({ settlement, at }) => {
    const end = at - settlement.late
    return { from: end - settlement.aggregates, to: end - 1 }
  },
  missing: () => [],
}

/** The parts of `range` from `offset` on that are not in `missing`, which is in order. */
export const wantedParts = ({ from, to }: Range, missing: readonly Range[], offset: number): Range[] => {
  const parts: Range[] = []
  let next = Math.max(from, offset)
  for (const gap of missing) {
    if (gap.to < next) continue
    if (gap.from > next) parts.push({ from: next, to: Math.min(gap.from - 1, to) })
    next = Math.max(next, gap.to + 1)
  }
  if (next <= to) parts.push({ from: next, to })
  return parts
}
