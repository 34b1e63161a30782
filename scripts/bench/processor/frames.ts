import { readFile } from 'node:fs/promises'
import type { EventLine } from '#schema/event.ts'
import type { LogMessage } from '#schema/frame.ts'
import { partitionOf } from '#schema/hash.ts'
import type { MetricDefinition } from '#schema/metric.ts'

const NEWLINE = 0x0a

/** Lines of one partition as the frames of its log, so many lines each. */
export type Frames = Omit<LogMessage, 'sequence'>[]

/** Start and end of each line. */
function* linesOf(data: Buffer): Generator<Buffer> {
  for (let at = 0; at < data.length; ) {
    const end = data.indexOf(NEWLINE, at)
    yield data.subarray(at, end)
    at = end + 1
  }
}

const toFrame = (lines: readonly Buffer[]): Frames[number] => {
  const data = Buffer.concat(lines.flatMap((line, i) => (i === 0 ? [line] : [Buffer.of(NEWLINE), line])))
  const { receivedAt } = JSON.parse(lines[lines.length - 1].toString()) as EventLine
  // A copy of its own, as a connection hands out.
  return { kind: 'events', storedAt: receivedAt + 5, data: new Uint8Array(data) }
}

/** Lines of a file as frames of so many logs: what belongs to one key stands in one of them. */
export const readFrames = async (path: string, partitions: number, frameEvents: number): Promise<Frames[]> => {
  const open: Buffer[][] = Array.from({ length: partitions }, () => [])
  const frames: Frames[] = Array.from({ length: partitions }, () => [])
  for (const line of linesOf(await readFile(path))) {
    const partition = partitions === 1 ? 0 : partitionOfLine(line, partitions)
    open[partition].push(line)
    if (open[partition].length < frameEvents) continue
    frames[partition].push(toFrame(open[partition]))
    open[partition] = []
  }
  for (const [partition, lines] of open.entries()) if (lines.length > 0) frames[partition].push(toFrame(lines))
  return frames
}

const partitionOfLine = (line: Buffer, partitions: number): number => {
  const { tenant, key } = JSON.parse(line.toString()) as EventLine
  return partitionOf(tenant, key, partitions)
}

const encoder = new TextEncoder()

/** The control frames that define metrics, before everything else in a log. */
export const definitionFrames = (metrics: readonly MetricDefinition[], storedAt: number): Frames =>
  metrics.map((metric) => ({
    kind: 'control',
    storedAt,
    data: encoder.encode(JSON.stringify({ kind: 'defineMetric', tenant: 'main', metric })),
  }))
