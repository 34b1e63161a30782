import type { FoldState } from '#processors/ports.ts'
import { PartitionFold } from '#processors/windows/fold.ts'
import {
  type AggregateRow,
  decodeOutcomes,
  type LateEvent,
  type Outcome,
  type SegmentSession,
  type SessionRow,
  type Settlement,
} from '#schema/checkpoint.ts'
import type { LogMessage } from '#schema/frame.ts'
import { emptySegment } from '#schema/segment.ts'

/** What a checkpoint changed. */
export interface Deltas {
  aggregates: AggregateRow[]
  sessions: SessionRow[]
  late: LateEvent[]
}

/** Makes the deltas of checkpoints anew, one after the other. */
export interface Refill {
  deltas(settlement: Settlement, messages: readonly LogMessage[]): Deltas
}

/** The settlement's word on each event: a frame that it does not name counted wholly. */
const verdictsOf = ({ outcomes }: Settlement): ((sequence: number, index: number) => Outcome) => {
  const decoded = new Map<number, Outcome[]>()
  return (sequence, index) => {
    const text = outcomes[sequence]
    if (text === undefined) return 'C'
    let verdicts = decoded.get(sequence)
    if (!verdicts) {
      verdicts = decodeOutcomes(text)
      decoded.set(sequence, verdicts)
    }
    return verdicts[index]
  }
}

/**
 * Folds the log again from where `state` holds and `sessions` are open, as the processor did, but for who judges: the
 * settlements say what counted, so no identity need be remembered. Each checkpoint gives the deltas that it gave the first time, also their
 * number (`revision`). What may differ: members of uniques may come again, which changes no value; and in a window that was
 * open when the refill began, topK may be pruned elsewhere, within its error, and where there are more series than the cap
 * allows others may keep their names.
 */
export const createRefill = (state: FoldState, sessions: readonly SessionRow[]): Refill => {
  let verdict: (sequence: number, index: number) => Outcome = () => 'C'
  const fold = new PartitionFold(({ sequence, index }) => verdict(sequence, index))
  const open = sessions.map((row): SegmentSession => ({ ...row, changed: 0, changedAt: 0 }))
  fold.restore({ ...emptySegment(), ...state, sessions: open })
  return {
    deltas(settlement, messages) {
      verdict = verdictsOf(settlement)
      for (const message of messages) fold.apply(message)
      const { rows, sessions, late } = fold.seal(settlement.checkpoint, settlement.at)
      // The same already, unless a hole in the log hid how they came there.
      for (const clock of settlement.clocks) fold.tenant(clock.tenant).clock(clock.source).restore(clock)
      return { aggregates: rows, sessions, late: late.map(({ event }) => event) }
    },
  }
}
