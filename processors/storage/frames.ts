import type { OutputFeed } from '#processors/ports.ts'
import type { Settlement } from '#schema/checkpoint.ts'
import type { LogMessage } from '#schema/frame.ts'

/** Messages from..to of a log. */
export interface Range {
  from: number
  to: number
}

/** What a checkpoint settled, as far as the log still has it. */
export interface SettledFrames {
  messages: LogMessage[]
  /** What the processor had read and the log no longer has. */
  missing: Range[]
}

/** Parts of from..to that nothing covers. */
const gaps = ({ from, to }: Range, covered: readonly Range[]): Range[] => {
  const found: Range[] = []
  let next = from
  for (const { from: start, to: end } of [...covered].sort((a, b) => a.from - b.from)) {
    if (start > next) found.push({ from: next, to: start - 1 })
    next = Math.max(next, end + 1)
  }
  if (next <= to) found.push({ from: next, to })
  return found
}

export const readSettled = async (feed: Pick<OutputFeed, 'frames'>, settlement: Settlement): Promise<SettledFrames> => {
  const { partition, from, to, missing: neverRead = [] } = settlement
  const messages: LogMessage[] = []
  if (from <= to) for await (const message of feed.frames(partition, from, to)) messages.push(message)
  const read = messages.map(({ sequence }) => ({ from: sequence, to: sequence }))
  return { messages, missing: gaps({ from, to }, [...read, ...neverRead]) }
}
