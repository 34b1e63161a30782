import type { StoredHole } from '#schema/olap.ts'
import type { ArchiveReader, Logger, RawLines, RawRestorer } from '../ports.ts'

interface RestoreDeps {
  archive: ArchiveReader
  restorer: RawRestorer
  /** Milliseconds since 1970: what was received before is not kept in the store. */
  receivedAfter: number
  logger: Logger
  signal: AbortSignal
}

/** Lines and characters that are written in one transaction. */
const MOST_LINES = 20_000
const MOST_CHARS = 8_000_000

/** Whether the archive has not been asked for all of it. Only what had been settled is there. */
const isOpen = ({ lostBy, restored, lastSequence }: StoredHole): boolean =>
  lostBy === 'STORE' && (restored?.to ?? 0) < lastSequence

/**
 * Fills the raw events of holes with what the archive has of them, in the order of the log, from where it is. How far a
 * hole is filled moves in the transaction of its rows, so a crash repeats nothing. Answers how many holes were gone through.
 */
export const restoreHoles = async (holes: readonly StoredHole[], deps: RestoreDeps): Promise<number> => {
  const open = holes.filter(isOpen)
  for (const hole of open) {
    if (deps.signal.aborted) break
    await restoreHole(hole, deps)
  }
  return open.length
}

const restoreHole = async (hole: StoredHole, deps: RestoreDeps): Promise<void> => {
  const { archive, restorer, receivedAfter, logger, signal } = deps
  const { partition, firstSequence, lastSequence, restored } = hole
  let raw: RawLines[] = []
  let [lines, chars, events] = [0, 0, 0]
  const write = async (to: number): Promise<void> => {
    events += await restorer.restore({ partition, firstSequence, to, raw })
    raw = []
    lines = 0
    chars = 0
  }
  const from = (restored?.to ?? firstSequence - 1) + 1
  for await (const message of archive.counted(partition, from, lastSequence, receivedAfter)) {
    if (signal.aborted) return
    raw.push(message)
    lines += message.lines.length
    for (const line of message.lines) chars += line.length
    if (lines >= MOST_LINES || chars >= MOST_CHARS) await write(message.sequence)
  }
  await write(lastSequence)
  logger.warn({ partition, firstSequence, lastSequence, events }, 'raw events of a hole were looked for in the archive')
}
