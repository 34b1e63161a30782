import { renderTable } from '#scripts/lib/table.ts'
import type { SubscriptionCounts } from './dashboards.ts'

export interface ChaosReport {
  seed: number
  seconds: number
  /** Identities that a client has a confirmation of. */
  acknowledged: number
  /** Of these, how many are nowhere. */
  lost: number
  /** Identities that are somewhere more than once. */
  duplicated: number
  /** Windows that somebody (store, query, dashboard) has otherwise than counted anew. */
  windowsDifferent: number
  /** Windows that were compared, as often as somebody said something of them. */
  windowsCompared: number
  /** Definitions of metrics, each change and deletion as one. */
  definitions: number
  kills: number
  /** All of them, kills included. */
  faults: number
  /** Requests that were sent again. */
  retriesSeen: number
  answersDropped: number
  /** Rows of raw_events and of dead_letters. */
  counted: number
  late: number
  /** Counted events in the archive. */
  archived: number
  /** Turned down at the door, as they had to be. */
  rejected: number
  unacknowledged: number
  /** Copies of events that were found out. */
  duplicatesFound: number
  /** By Query.ledger: copies included. */
  accepted: number
  balanced: boolean
  /** Owners that partitions have had. */
  epochs: number
  subscription: SubscriptionCounts
  /** By kind: "kill storage", "stop gateway", "cut all". */
  faultsDone: Record<string, number>
  /** What must not be, in words. */
  problems: string[]
}

/** All of them stand in the log of the run. */
export const SHOWN_PROBLEMS = 20

/** For people. */
export const summary = (report: ChaosReport): string => {
  const { subscription, faultsDone, problems, balanced: _balanced, seed: _seed, seconds: _seconds, ...counts } = report
  const rows: [string, number][] = [
    ...Object.entries(counts),
    ...Object.entries(subscription).map(([name, count]): [string, number] => [`subscription ${name}`, count]),
    ...Object.entries(faultsDone).sort(([a], [b]) => a.localeCompare(b)),
  ]
  const rest = problems.length - SHOWN_PROBLEMS
  return [
    renderTable(rows),
    ...problems.slice(0, SHOWN_PROBLEMS),
    ...(rest > 0 ? [`and ${rest} more; the log of the run has all`] : []),
  ].join('\n')
}
