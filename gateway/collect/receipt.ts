import { MillraceError } from '#schema/errors.ts'
import { LIMITS } from '#schema/limits.ts'
import type { FrameOutcome, FrameTicket, NotTaken } from './open-frames.ts'
import type { EventProblem, EventVerdict, Receipt } from './verdict.ts'

/** When to try again after the log was away or too much was waiting. */
const RETRY_AFTER_MS = 1_000

/** What became of an event before the log answered: refused, or in a frame. */
export type Admitted = { id: string; problem: EventProblem } | { id: string; ticket: FrameTicket }

export const tooLarge = (bytes: number): EventProblem => ({
  code: 'EVENT_TOO_LARGE',
  message: `expected at most ${LIMITS.eventBytes} bytes of JSON, found ${bytes}. Send less in properties and context.`,
})

const FULL: EventProblem = {
  code: 'OVERLOADED',
  message: 'too much is waiting for the log. Send the event again, with the same id.',
  retryAfterMs: RETRY_AFTER_MS,
}

/** The event may be in the log or not; sent again under its id it counts once. */
const AWAY: EventProblem = {
  code: 'OVERLOADED',
  message: 'the log did not confirm the event in time. Send it again, with the same id.',
  retryAfterMs: RETRY_AFTER_MS,
}

export const NOT_TAKEN: Record<NotTaken, EventProblem> = { FULL, CLOSED: AWAY }

/** Waits for all frames that hold events of the request, and says what became of each event; null: it is on disk. */
export const settle = async (admitted: readonly Admitted[]): Promise<(EventProblem | null)[]> => {
  const tickets = new Set<FrameTicket>()
  for (const one of admitted) if ('ticket' in one) tickets.add(one.ticket)
  const outcomes = new Map<FrameTicket, FrameOutcome>()
  for (const ticket of tickets) outcomes.set(ticket, await ticket.outcome)
  return admitted.map((one) => {
    if ('problem' in one) return one.problem
    return outcomes.get(one.ticket)!.acknowledged ? null : AWAY
  })
}

/** What the client is told. Throws OVERLOADED or UNAVAILABLE when nothing was taken and trying again can help. */
export const toReceipt = (admitted: readonly Admitted[], problems: readonly (EventProblem | null)[]): Receipt => {
  const accepted = problems.filter((problem) => problem === null).length
  if (accepted === 0) refuseIfRetryable(problems)
  const verdicts = problems.map((problem, index) => toVerdict(index, admitted[index].id, problem))
  return { accepted, shed: 0, rejected: verdicts.length - accepted, verdicts }
}

/** Nothing was taken and trying again can help: one answer for the whole request says so. */
const refuseIfRetryable = (problems: readonly (EventProblem | null)[]): void => {
  const details = { retryAfterMs: RETRY_AFTER_MS }
  if (problems.includes(AWAY)) {
    throw new MillraceError(
      'UNAVAILABLE',
      'The log does not answer; no event was confirmed. Send the same request again.',
      details,
    )
  }
  if (problems.includes(FULL)) {
    throw new MillraceError(
      'OVERLOADED',
      'Too much is waiting for the log; no event was taken. Send the same request again.',
      details,
    )
  }
}

const toVerdict = (index: number, id: string, problem: EventProblem | null): EventVerdict => ({
  index,
  id,
  status: problem === null ? 'ACCEPTED' : 'REJECTED',
  code: problem?.code ?? null,
  message: problem?.message ?? null,
  path: problem?.path ?? null,
  retryable: problem?.retryAfterMs !== undefined,
  retryAfterMs: problem?.retryAfterMs ?? null,
})
