import { renderTable } from '#scripts/lib/table.ts'
import type { Result } from './result.ts'

const plainText = ({ plain, ratioToPlain, rateToPlain }: Result): string[] =>
  plain === null
    ? []
    : [
        `the plain way: ${plain.acceptedPerSecond.toLocaleString('en-US')} events a second at most, ${plain.cpuMicrosPerEvent.resolver} µs of the resolver and ${plain.cpuMicrosPerEvent['nats-server']} µs of nats-server an event; this is ${rateToPlain} times as many a second and ${ratioToPlain} times as many a CPU second`,
      ]

/** What people want to know of a run. */
export const table = (figures: Result): string => {
  const { cpuMicrosPerEvent: cpu, maxRssMb, stores, refused } = figures
  const refusals = Object.entries(refused).map(([code, events]) => `${code} ${events.toLocaleString('en-US')}`)
  const stages = renderTable([
    ['events a second', 'asked for', 'accepted', 'settled', 'stored', 'archived'],
    [
      '',
      figures.rate,
      figures.acceptedPerSecond,
      figures.settledPerSecond,
      figures.storedPerSecond,
      figures.archivedPerSecond,
    ],
  ])
  const latency = renderTable([
    ['milliseconds', 'p50', 'p99', 'p99.9'],
    ['due → acknowledged', figures.ingestP50Ms, figures.ingestP99Ms, figures.ingestP999Ms],
    ['acknowledged → push', figures.p50Ms, figures.p99Ms, figures.p999Ms],
    ['acknowledged → SQL', figures.p50ToOlapMs, figures.p99ToOlapMs, figures.p999ToOlapMs],
  ])
  const kinds = Object.keys(cpu)
  const processes = renderTable([
    ['process', ...kinds, 'product'],
    ['µs CPU an event', ...kinds.map((kind) => cpu[kind]), figures.cpuMicrosOfAll],
    ['MB at most', ...kinds.map((kind) => maxRssMb[kind] ?? 0)],
  ])
  const whole = renderTable([
    ['store', 'events', 'lost', 'duplicated', 'not acknowledged'],
    ...Object.entries({ SQL: stores.olap, archive: stores.archive }).map(([name, its]) => [
      name,
      its.rows,
      its.lost,
      its.duplicated,
      its.unacknowledged,
    ]),
  ])
  const rest = [
    `refused: ${refusals.join(', ') || 'none'}; not answered ${figures.unanswered}, not sent ${figures.unsent}`,
    `behind: ${figures.lag.maxEvents.toLocaleString('en-US')} events at most, ${figures.lag.endEvents.toLocaleString('en-US')} at the end of the load`,
    `ledger: ${figures.ledgerBalanced ? 'balanced' : 'NOT balanced'}`,
    ...plainText(figures),
    `the rate ${figures.whyNot.length === 0 ? 'holds' : `does not hold: ${figures.whyNot.join('; ')}`}`,
  ]
  return [stages, latency, processes, whole, rest.join('\n')].join('\n\n')
}
