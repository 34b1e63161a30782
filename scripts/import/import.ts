import { type CollectorClient, DeliveryError } from '#scripts/lib/collector.ts'
import type { Receipt } from '#scripts/lib/collector-answer.ts'
import type { Progress } from '#scripts/lib/progress.ts'
import { type Batch, createBatches } from './batches.ts'
import type { Content } from './content.ts'
import type { LineFormat } from './formats.ts'
import { readLines } from './lines.ts'

/** A line that did not become an accepted event, and why. */
export interface LineProblem {
  line: number
  problem: string
}

export interface ImportReport {
  /** Lines that are not blank. */
  lines: number
  /** Events that the collector answered for. */
  sent: number
  accepted: number
  rejected: number
  shed: number
  /** Lines that are no event. */
  unparsed: number
  retries: number
  seconds: number
  /** Events that were not accepted, by code. */
  verdicts: Record<string, number>
  /** Why the import ended before its time. */
  failure?: string
  /** The first of the lines that did not come in. */
  problems: LineProblem[]
}

export interface ImportOptions {
  content: Content
  format: LineFormat
  client: CollectorClient
  /** Events of one request, at most. */
  batchEvents: number
  onProgress: (progress: Progress) => void
  /** Milliseconds on a clock that never jumps. */
  now?: () => number
}

const SHOWN_PROBLEMS = 10

/**
 * Sends every line, in order: one request at a time, since a batch that overtook an earlier one could make events of
 * the earlier one late. Ends at the first batch that cannot be delivered, for the same reason.
 */
export const runImport = async (options: ImportOptions): Promise<ImportReport> => {
  const { content, client, batchEvents, format, onProgress, now = () => performance.now() } = options
  const startedAt = now()
  const tally = createTally()
  const batches = createBatches(batchEvents)
  let done = 0
  const deliver = async (batch: Batch | undefined) => {
    if (!batch) return
    tally.add(batch, await client.send(batch.ndjson))
    onProgress({ done, total: content.bytes, events: tally.report.sent, retries: client.retries() })
  }
  try {
    for await (const { number, bytes, offset } of readLines(content.chunks())) {
      tally.report.lines++
      const parsed = bytes ? format(bytes, number) : { problem: 'longer than any event may be' }
      if ('problem' in parsed) tally.unparsed(number, parsed.problem)
      else await deliver(batches.add({ line: number, json: parsed.json }))
      done = offset
    }
    await deliver(batches.rest())
  } catch (error) {
    if (!(error instanceof DeliveryError)) throw error
    tally.report.failure = error.message
    if (error.receipt) tally.count(error.receipt)
  }
  return { ...tally.report, retries: client.retries(), seconds: Math.round(now() - startedAt) / 1000 }
}

const createTally = () => {
  const report: ImportReport = {
    lines: 0,
    sent: 0,
    accepted: 0,
    rejected: 0,
    shed: 0,
    unparsed: 0,
    retries: 0,
    seconds: 0,
    verdicts: {},
    problems: [],
  }
  const show = (line: number, problem: string) => {
    if (report.problems.length < SHOWN_PROBLEMS) report.problems.push({ line, problem })
  }
  const count = ({ accepted, rejected, shed, verdicts }: Receipt) => {
    report.sent += accepted + rejected + shed
    report.accepted += accepted
    report.rejected += rejected
    report.shed += shed
    for (const { code } of verdicts) report.verdicts[code ?? 'UNKNOWN'] = (report.verdicts[code ?? 'UNKNOWN'] ?? 0) + 1
  }
  return {
    report,
    count,
    unparsed: (line: number, problem: string) => {
      report.unparsed++
      show(line, problem)
    },
    add: (batch: Batch, receipt: Receipt) => {
      count(receipt)
      for (const { index, code, message } of receipt.verdicts) show(batch.lines[index], `${code}: ${message}`)
    },
  }
}
