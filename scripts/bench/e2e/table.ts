import { renderMarkdown, renderTable } from '#scripts/lib/table.ts'
import type { Result } from './result.ts'

type Rows = (string | number)[][]

const rowsOf = (result: Result): Rows[] => {
  const { cpuMicrosPerEvent: cpu, maxRssMb, stores } = result
  const kinds = Object.keys(cpu)
  return [
    [
      ['events a second', 'asked for', 'accepted', 'settled', 'stored', 'archived'],
      [
        '',
        result.rate,
        result.acceptedPerSecond,
        result.settledPerSecond,
        result.storedPerSecond,
        result.archivedPerSecond,
      ],
    ],
    [
      ['milliseconds', 'p50', 'p99', 'p99.9'],
      ['due → acknowledged', result.ingestP50Ms, result.ingestP99Ms, result.ingestP999Ms],
      ['acknowledged → push', result.p50Ms, result.p99Ms, result.p999Ms],
      ['acknowledged → SQL', result.p50ToOlapMs, result.p99ToOlapMs, result.p999ToOlapMs],
    ],
    [
      ['process', ...kinds, 'product'],
      ['µs CPU an event', ...kinds.map((kind) => cpu[kind]), result.cpuMicrosOfAll],
      ['MB at most', ...kinds.map((kind) => maxRssMb[kind] ?? 0), ''],
    ],
    [
      ['store', 'events', 'lost', 'duplicated', 'not acknowledged'],
      ...Object.entries({ SQL: stores.olap, archive: stores.archive }).map(([name, its]) => [
        name,
        its.rows,
        its.lost,
        its.duplicated,
        its.unacknowledged,
      ]),
    ],
  ]
}

const count = (value: number): string => value.toLocaleString('en-US')

const plainText = ({ plain, ratioToPlain, rateToPlain }: Result): string[] => {
  if (plain === null) return []
  const { resolver, 'nats-server': nats } = plain.cpuMicrosPerEvent
  const most = `the plain way: ${count(plain.acceptedPerSecond)} events a second at most`
  if (ratioToPlain === null) return [most]
  return [
    `${most}, ${resolver} µs of the resolver and ${nats} µs of nats-server an event; this is ${rateToPlain} times as many a second and ${ratioToPlain} times as many a CPU second`,
  ]
}

const remarksOf = (result: Result): string[] => {
  const { refused, unanswered, unsent, bursts, lag, ledgerBalanced, whyNot } = result
  const refusals = Object.entries(refused).map(([code, events]) => `${code} ${count(events)}`)
  return [
    `refused: ${refusals.join(', ') || 'none'}; not answered ${count(unanswered)}, not sent ${count(unsent)}`,
    ...bursts.map(
      (burst) =>
        `burst of ${count(burst.rate)} events a second for ${burst.seconds} s: ${count(burst.accepted)} acknowledged meanwhile, ${count(burst.refused)} refused`,
    ),
    `behind: ${count(lag.maxEvents)} events at most, ${count(lag.endEvents)} at the end of the load`,
    `ledger: ${ledgerBalanced ? 'balanced' : 'NOT balanced'}`,
    ...plainText(result),
    `the rate ${whyNot.length === 0 ? 'holds' : `does not hold: ${whyNot.join('; ')}`}`,
  ]
}

/** What people want to know of a run. */
export const table = (result: Result): string =>
  [...rowsOf(result).map(renderTable), remarksOf(result).join('\n')].join('\n\n')

/** The same for a page of the documentation, with how it was measured. */
export const markdown = (result: Result): string => {
  const { rate, seconds, protocol, batch, connections, bytesPerEvent, machine, loadAverage } = result
  const how = `${count(rate)} events a second for ${seconds} s, ${protocol}, ${batch} events of ${bytesPerEvent} bytes a request, ${connections} connections, on ${machine.cores} cores (${machine.cpu}, Node ${machine.node}), load average ${loadAverage}:`
  const remarks = remarksOf(result).map((remark) => `- ${remark}`)
  return `${[how, ...rowsOf(result).map(renderMarkdown), remarks.join('\n')].join('\n\n')}\n`
}
