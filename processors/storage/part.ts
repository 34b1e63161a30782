import type { CheckpointOutputs, OlapPart, OutputFeed, RawLines } from '#processors/ports.ts'
import { decodeOutcomes, type Outcome, type Settlement } from '#schema/checkpoint.ts'
import type { LogMessage } from '#schema/frame.ts'
import { addSettled, receivedMinute, type Settled } from '#schema/ledger.ts'

/** Frames that a settlement speaks of are not as it says: gone from the log, or with another number of events. */
export class FramesMissing extends Error {
  constructor(partition: number, detail: string) {
    super(`partition ${partition}: ${detail}`)
    this.name = 'FramesMissing'
  }
}

/** A part and what it takes in memory until it is written. */
export interface SizedPart {
  part: OlapPart
  bytes: number
}

/** About what a row of a delta takes as JSON; only for the bound on memory. */
const ROW_BYTES = 200

const decoder = new TextDecoder()

interface FrameLines {
  counted: RawLines
  repeated: RawLines
}

const NO_LINES = { lines: [], indexes: [] }

/** The frame's lines by what became of them; a frame that the settlement does not name counted wholly. */
const readLines = ({ partition, outcomes }: Settlement, { sequence, kind, data }: LogMessage): FrameLines => {
  const none = { sequence, ...NO_LINES }
  if (kind !== 'events') return { counted: none, repeated: none }
  const all = decoder
    .decode(data)
    .split('\n')
    .filter((line) => line !== '')
  const text = outcomes[sequence]
  if (text === undefined) {
    return { counted: { sequence, lines: all, indexes: all.map((_, index) => index) }, repeated: none }
  }
  const verdicts = decodeOutcomes(text)
  if (verdicts.length !== all.length) {
    const detail = `frame ${sequence} has ${all.length} events, its settlement speaks of ${verdicts.length}`
    throw new FramesMissing(partition, detail)
  }
  const linesOf = (outcome: Outcome): RawLines => {
    const indexes = verdicts.flatMap((verdict, index) => (verdict === outcome ? [index] : []))
    return { sequence, lines: indexes.map((index) => all[index]), indexes }
  }
  return { counted: linesOf('C'), repeated: linesOf('D') }
}

/** What was settled before there were minutes of receipt counts in the minute in which it was. */
const settledMinutes = ({ minutes, totals, at }: Settlement): Settled[] =>
  minutes ?? Object.entries(totals).map(([tenant, counts]) => ({ tenant, minute: receivedMinute(at), ...counts }))

/** First sequence from `next` on that the settlement does not say to be missing. */
const present = (settlement: Settlement, next: number): number => {
  const gap = settlement.missing?.find(({ from, to }) => from <= next && next <= to)
  return gap ? present(settlement, gap.to + 1) : next
}

/**
 * What one checkpoint writes, its frames read from the log. Throws FramesMissing when the log does not have all frames
 * from..to.
 */
export const readPart = async (feed: OutputFeed, outputs: CheckpointOutputs): Promise<SizedPart> => {
  const { settlement, aggregates, late } = outputs
  const { partition, checkpoint, from, to, totals, definitions, markers = [] } = settlement
  const raw: RawLines[] = []
  const repeated: RawLines[] = []
  let bytes = ROW_BYTES * (aggregates.length + late.length)
  let next = present(settlement, from)
  if (next <= to) {
    for await (const message of feed.frames(partition, from, to)) {
      if (message.sequence !== next) break
      next = present(settlement, next + 1)
      bytes += message.data.length
      const lines = readLines(settlement, message)
      if (lines.counted.lines.length > 0) raw.push(lines.counted)
      if (lines.repeated.lines.length > 0) repeated.push(lines.repeated)
    }
  }
  if (next <= to) {
    throw new FramesMissing(
      partition,
      `messages ${next} to ${to} of the log, which checkpoint ${checkpoint} settled, are gone`,
    )
  }
  const duplicates = Object.fromEntries(Object.entries(totals).map(([tenant, counts]) => [tenant, counts.D]))
  const part = {
    partition,
    after: checkpoint - 1,
    checkpoint,
    sequence: to,
    raw,
    aggregates,
    late,
    duplicates,
    repeated,
    settled: settledMinutes(settlement),
    definitions,
    markers,
  }
  return { part, bytes }
}

const addCounts = (all: readonly Record<string, number>[]): Record<string, number> => {
  const sum: Record<string, number> = {}
  for (const counts of all) {
    for (const [tenant, count] of Object.entries(counts)) sum[tenant] = (sum[tenant] ?? 0) + count
  }
  return sum
}

/** Parts of one partition, each of which follows the one before, as one. */
export const joinParts = (parts: readonly OlapPart[]): OlapPart => ({
  ...parts[parts.length - 1],
  after: parts[0].after,
  raw: parts.flatMap(({ raw }) => raw),
  aggregates: parts.flatMap(({ aggregates }) => aggregates),
  late: parts.flatMap(({ late }) => late),
  duplicates: addCounts(parts.map(({ duplicates }) => duplicates)),
  repeated: parts.flatMap(({ repeated }) => repeated),
  settled: addSettled(parts.map(({ settled }) => settled)),
  definitions: parts.flatMap(({ definitions }) => definitions),
  markers: parts.flatMap(({ markers }) => markers),
})
