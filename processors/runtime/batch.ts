import {
  type Head,
  type LateEvent,
  type OutputRow,
  type SegmentRef,
  type Settlement,
  STATE_FORMAT,
} from '#schema/checkpoint.ts'
import { encodeSegment, isEmptySegment } from '#schema/segment.ts'
import type { CheckpointBatch } from '../ports.ts'
import type { Sealed } from '../windows/fold.ts'

/** Below the broker's limit of 1 MB a message, with room for headers. */
const MESSAGE_BYTES = 700_000
const encoder = new TextEncoder()

/** Joins lines to messages of bounded size. A single line above the bound stands alone. */
const ndjson = (items: readonly unknown[]): Uint8Array[] => {
  const messages: Uint8Array[] = []
  let lines: string[] = []
  let bytes = 0
  const close = (): void => {
    if (lines.length > 0) messages.push(encoder.encode(lines.join('\n')))
    lines = []
    bytes = 0
  }
  for (const item of items) {
    const line = JSON.stringify(item)
    const size = Buffer.byteLength(line) + 1
    if (bytes + size > MESSAGE_BYTES) close()
    lines.push(line)
    bytes += size
  }
  close()
  return messages
}

const groupBy = <T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> => {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const name = key(item)
    const group = groups.get(name)
    if (group) group.push(item)
    else groups.set(name, [item])
  }
  return groups
}

/** Rows of aggregates and of sessions by tenant and metric, in messages that the broker takes. */
export const aggregateMessages = (rows: readonly OutputRow[]): CheckpointBatch['aggregates'] =>
  [...groupBy(rows, (row) => `${row.tenant}\n${row.metric}`).values()].flatMap((group) =>
    ndjson(group).map((data) => ({ tenant: group[0].tenant, metric: group[0].metric, data })),
  )

const lateMessages = (late: readonly { tenant: string; event: LateEvent }[]): CheckpointBatch['late'] =>
  [...groupBy(late, ({ tenant }) => tenant)].flatMap(([tenant, group]) =>
    ndjson(group.map(({ event }) => event)).map((data) => ({ tenant, data })),
  )

/** What one checkpoint writes: the next head, the segment, the outputs and the settlement. */
export const buildBatch = (
  sealed: Sealed,
  previous: Head,
  next: Pick<Head, 'nonce' | 'manifest' | 'marks'>,
  now: number,
): CheckpointBatch => {
  const checkpoint = previous.checkpoint + 1
  const chunks = isEmptySegment(sealed.segment) ? [] : encodeSegment(sealed.segment)
  const ref: SegmentRef = {
    id: `${previous.epoch}-${checkpoint}`,
    level: 0,
    chunks: chunks.length,
    bytes: chunks.reduce((sum, chunk) => sum + chunk.length, 0),
  }
  const aggregates = aggregateMessages([...sealed.rows, ...sealed.sessions])
  const late = lateMessages(sealed.late)
  const settlement: Settlement = {
    format: STATE_FORMAT,
    partition: previous.partition,
    checkpoint,
    epoch: previous.epoch,
    from: sealed.from,
    to: sealed.to,
    ...(sealed.missing.length > 0 ? { missing: sealed.missing } : {}),
    aggregates: aggregates.length,
    late: late.length,
    totals: sealed.totals,
    minutes: sealed.minutes,
    outcomes: sealed.outcomes,
    clocks: sealed.clocks,
    definitions: sealed.definitions,
    ...(sealed.markers.length > 0 ? { markers: sealed.markers } : {}),
    at: now,
  }
  return {
    head: {
      ...previous,
      ...next,
      checkpoint,
      sequence: sealed.to,
      manifest: chunks.length > 0 ? [...next.manifest, ref] : next.manifest,
    },
    segment: chunks.length > 0 ? { ref, chunks } : null,
    aggregates,
    late,
    settlement,
  }
}
