import type { CheckpointOutputs, OlapPart, OutputFeed, RawLines } from '#processors/ports.ts'
import { decodeOutcomes, type Settlement } from '#schema/checkpoint.ts'
import type { LogMessage } from '#schema/frame.ts'

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

/** Lines of the frame's counted events; a frame that the settlement does not name counted wholly. */
const countedLines = ({ partition, outcomes }: Settlement, { sequence, kind, data }: LogMessage): RawLines | null => {
  if (kind !== 'events') return null
  const all = decoder
    .decode(data)
    .split('\n')
    .filter((line) => line !== '')
  const text = outcomes[sequence]
  if (text === undefined) return { sequence, lines: all, indexes: all.map((_, index) => index) }
  const verdicts = decodeOutcomes(text)
  if (verdicts.length !== all.length) {
    const detail = `frame ${sequence} has ${all.length} events, its settlement speaks of ${verdicts.length}`
    throw new FramesMissing(partition, detail)
  }
  const indexes = verdicts.flatMap((verdict, index) => (verdict === 'C' ? [index] : []))
  return { sequence, lines: indexes.map((index) => all[index]), indexes }
}

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
  let bytes = ROW_BYTES * (aggregates.length + late.length)
  let next = present(settlement, from)
  if (next <= to) {
    for await (const message of feed.frames(partition, from, to)) {
      if (message.sequence !== next) break
      next = present(settlement, next + 1)
      bytes += message.data.length
      const lines = countedLines(settlement, message)
      if (lines && lines.lines.length > 0) raw.push(lines)
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
  definitions: parts.flatMap(({ definitions }) => definitions),
  markers: parts.flatMap(({ markers }) => markers),
})
