import { MillraceError } from '#schema/errors.ts'
import { LIMITS } from '#schema/limits.ts'
import type { Admitted } from './admitted.ts'
import type { NotTaken } from './open-frames.ts'
import { overloaded } from './overloaded.ts'
import type { EventProblem, EventVerdict, Receipt, VerdictStatus } from './verdict.ts'

/** When to try again after the log was away. */
const RETRY_AFTER_MS = 1_000

export const tooLarge = (bytes: number): EventProblem => ({
  code: 'EVENT_TOO_LARGE',
  message: `expected at most ${LIMITS.eventBytes} bytes of JSON, found ${bytes}. Send less in properties and context.`,
})

/** Final: what was kept stands for it. */
const SHED: EventProblem = {
  code: 'SHED',
  message:
    'expected less than processors can take, more came: of events of low priority only a share of all sessions is kept, and stands for the others. Do not send it again; give events that must count a higher priority.',
}

/** The event may be in the log or not; sent again under its id it counts once. */
export const AWAY: EventProblem = {
  code: 'OVERLOADED',
  message: 'the log did not confirm the event in time. Send it again, with the same id.',
  retryAfterMs: RETRY_AFTER_MS,
}

/** What is wrong with events of one request that were not taken. `retryAfterMs` is asked when it is needed. */
export const createNotTaken = (retryAfterMs: () => number) => {
  let full: EventProblem | undefined
  return (reason: NotTaken | 'SHED'): EventProblem => {
    if (reason === 'SHED') return SHED
    if (reason === 'CLOSED') return AWAY
    full ??= {
      code: 'OVERLOADED',
      message: 'too much is waiting for the log. Send the event again, with the same id.',
      retryAfterMs: retryAfterMs(),
    }
    return full
  }
}

export type ProblemOfNotTaken = ReturnType<typeof createNotTaken>

/**
 * What the client is told once all frames are settled. Throws RATE_LIMITED, OVERLOADED or UNAVAILABLE when nothing was
 * taken and trying again can help.
 */
export const toReceipt = (admitted: Admitted): Receipt => {
  const { problems, length } = admitted
  const accepted = length - problems.size
  if (accepted === 0) refuseIfRetryable([...problems.values()])
  const verdict = (index: number): EventVerdict => toVerdict(index, admitted.id(index), problems.get(index) ?? null)
  const refused = [...problems.keys()].sort((a, b) => a - b).map(verdict)
  const shed = refused.filter(({ status }) => status === 'SHED').length
  return {
    accepted,
    shed,
    rejected: refused.length - shed,
    refused,
    get verdicts() {
      return Array.from({ length }, (_, index) => verdict(index))
    },
  }
}

/** Nothing was taken and trying again can help: one answer for the whole request says so. */
const refuseIfRetryable = (problems: readonly EventProblem[]): void => {
  const limited = problems.find(({ code }) => code === 'RATE_LIMITED')
  if (limited) {
    throw new MillraceError(
      'RATE_LIMITED',
      'The key sends more than its limit; no event was taken. Send the same request again later, or more slowly.',
      { retryAfterMs: limited.retryAfterMs },
    )
  }
  if (problems.includes(AWAY)) {
    throw new MillraceError(
      'UNAVAILABLE',
      'The log does not answer; no event was confirmed. Send the same request again.',
      { retryAfterMs: RETRY_AFTER_MS },
    )
  }
  const full = problems.find(({ code }) => code === 'OVERLOADED')
  if (full) throw overloaded(full.retryAfterMs ?? RETRY_AFTER_MS)
}

const statusOf = (problem: EventProblem | null): VerdictStatus => {
  if (problem === null) return 'ACCEPTED'
  return problem.code === 'SHED' ? 'SHED' : 'REJECTED'
}

const toVerdict = (index: number, id: string, problem: EventProblem | null): EventVerdict => ({
  index,
  id,
  status: statusOf(problem),
  code: problem?.code ?? null,
  message: problem?.message ?? null,
  path: problem?.path ?? null,
  retryable: problem?.retryAfterMs !== undefined,
  retryAfterMs: problem?.retryAfterMs ?? null,
})
