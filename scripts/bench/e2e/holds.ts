import type { TrialFigures } from './figures.ts'

/** What DESIGN promises of latency. */
export const LONGEST_P99_MS = 500
/** Of what was asked for, so much must have been acknowledged in time. */
const LEAST_SHARE = 0.99
/** Lag that grows by more than this share of the rate does not end well. */
const MOST_GROWTH = 0.02

type Judged = Pick<
  TrialFigures,
  'rate' | 'acceptedPerSecond' | 'refused' | 'unanswered' | 'p99Ms' | 'p99ToOlapMs' | 'markers' | 'lag' | 'books'
>

/** Why a rate does not hold, in words; empty when it does. */
export const whyNot = (figures: Judged): string[] => {
  const { rate, acceptedPerSecond, refused, unanswered, p99Ms, p99ToOlapMs, markers, lag, books } = figures
  const reasons: [boolean, string][] = [
    [acceptedPerSecond < LEAST_SHARE * rate, `${acceptedPerSecond} events/s were acknowledged`],
    [Object.keys(refused).length > 0, `refused: ${Object.keys(refused).join(', ')}`],
    [unanswered > 0, `${unanswered} events had no answer`],
    [p99Ms > LONGEST_P99_MS, `P99 to a push is ${p99Ms} ms`],
    [p99ToOlapMs > LONGEST_P99_MS, `P99 to SQL is ${p99ToOlapMs} ms`],
    [markers.notPushed + markers.notStored > 0, 'markers were not seen in time'],
    [lag.growthPerSecond > MOST_GROWTH * rate, `lag grows by ${lag.growthPerSecond} events/s`],
    [books === null, 'it was not stored and archived in time'],
  ]
  return reasons.flatMap(([isSo, reason]) => (isSo ? [reason] : []))
}
