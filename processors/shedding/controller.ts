import { SHARES } from '#schema/shedding.ts'

/** The share falls by half at most so often: what gateways have heard shows in what is pending. */
const FALL_MS = 2_000
/** It falls on while what is pending will not be gone in this time. */
const DRAIN_SECONDS = 60
/** A rise that lasts shorter than this has failed; the longest wait before the same rise is tried again. */
const PROBATION_MS = 600_000
/** Below this part of the load at which a rise failed, it may be tried as if it never had. */
const LESS_LOAD = 0.7

export interface ShareSettings {
  /** A partition that is farther behind has tenants shed, milliseconds. */
  shedLagMs: number
  /** The share rises after the partition was less than half as far behind for so long, milliseconds. */
  calmMs: number
}

/** What is seen of a partition and one of its tenants. */
export interface ShareSample {
  /** Of a clock that never jumps, milliseconds. */
  now: number
  /** How far the partition is behind. */
  behindSeconds: number
  pendingEvents: number
  /** The tenant sends more than its fair share of what the partition can take. */
  isHeavy: boolean
  /** Events that the tenant sends, those that were shed included. */
  perSecond: number
}

/** What is known of a share that was risen to and did not hold. */
interface Failure {
  waitMs: number
  perSecond: number
}

/** Times as in ShareSample. */
export interface ShareState {
  /** Place in SHARES. */
  level: number
  /** What was pending when the last look at its change began. */
  mark: { at: number; pendingEvents: number }
  calmSince: number | null
  /** When the level was risen to; null: it was fallen to, or it is the first. */
  roseAt: number | null
  /** By level. */
  failures: ReadonlyMap<number, Failure>
}

export const startShare = (level: number, { now, pendingEvents }: ShareSample): ShareState => ({
  level,
  mark: { at: now, pendingEvents },
  calmSince: null,
  roseAt: null,
  failures: new Map(),
})

/**
 * The next share of one tenant in one partition. It falls by half every two seconds while the partition is too far behind
 * and does not catch up, and the tenant is a cause of it. It rises by one step after a time of calm; a rise that did not
 * hold is tried again after twice the time, so that under a constant load it comes to rest.
 */
export const nextShare = (state: ShareState, sample: ShareSample, settings: ShareSettings): ShareState => {
  const { now, behindSeconds, pendingEvents, isHeavy } = sample
  const isBehind = behindSeconds * 1_000 > settings.shedLagMs
  const isCalm = behindSeconds * 1_000 < settings.shedLagMs / 2 || !isHeavy
  const calmSince = isCalm ? (state.calmSince ?? now) : null
  if (calmSince !== null && state.level > 0 && now - calmSince >= waitBefore(state, sample, settings)) {
    return { ...startShare(state.level - 1, sample), roseAt: now, failures: state.failures }
  }
  if (now - state.mark.at < FALL_MS) return { ...state, calmSince }
  if (isBehind && isHeavy && state.level < SHARES.length - 1 && !isDraining(state, sample)) {
    return { ...startShare(state.level + 1, sample), failures: withFailure(state, sample, settings) }
  }
  return { ...state, calmSince, mark: { at: now, pendingEvents } }
}

/** Nothing is shed, and what is remembered of a failed rise is of no use any more. */
export const isSettled = ({ level, roseAt }: ShareState, now: number): boolean =>
  level === 0 && (roseAt === null || now - roseAt >= PROBATION_MS)

const isDraining = ({ mark }: ShareState, { now, pendingEvents }: ShareSample): boolean => {
  const goneInSecond = ((mark.pendingEvents - pendingEvents) * 1_000) / (now - mark.at)
  return goneInSecond * DRAIN_SECONDS > pendingEvents
}

/** Calm that the next rise waits for, milliseconds. */
const waitBefore = ({ level, failures }: ShareState, { perSecond }: ShareSample, { calmMs }: ShareSettings): number => {
  const failure = failures.get(level - 1)
  return failure && perSecond > failure.perSecond * LESS_LOAD ? failure.waitMs : calmMs
}

const withFailure = (
  { level, roseAt, failures }: ShareState,
  { now, perSecond }: ShareSample,
  { calmMs }: ShareSettings,
): ReadonlyMap<number, Failure> => {
  if (roseAt === null) return failures
  const hasFailed = now - roseAt < PROBATION_MS
  const before = failures.get(level)?.waitMs ?? calmMs
  const waitMs = hasFailed ? Math.min(2 * before, Math.max(PROBATION_MS, calmMs)) : calmMs
  return new Map(failures).set(level, { waitMs, perSecond })
}
