import fc from 'fast-check'
import type { OlapWriter } from '#processors/ports.ts'
import { olapPart } from '#processors/storage/fixtures.ts'
import { PartitionFold } from '#processors/windows/fold.ts'
import { type AggregateRow, decodeOutcomes, type LateEvent } from '#schema/checkpoint.ts'
import type { EventLine } from '#schema/event.ts'
import { checkConditions } from './conditions.ts'
import { type Admission, createDoor } from './door.ts'
import { type Finding, isSame, shown } from './finding.ts'
import { eventBytes } from './json-text.ts'
import { plain, type StrictReader } from './python.ts'
import { checkWindows, METRICS } from './windows.ts'

/** Whose clock the events of 2026 come in by. */
const NOW = Date.UTC(2026, 1, 1)
const SEED = Uint32Array.of(1, 2, 3, 4)
/** Lines that are told as late, to see what a dead letter keeps. */
const LATE = 40
const encoder = new TextEncoder()

export interface RoundResult {
  events: number
  accepted: number
  findings: Finding[]
}

type Accepted = Admission & { line: string }

/** Another reader must read the lines as JSON.parse does, and what the client had sent as the gateway did. */
const checkReader = async (python: StrictReader, accepted: readonly Accepted[]): Promise<Finding[]> => {
  const findings: Finding[] = []
  const lines = await python.read(accepted.map(({ line }) => line))
  const bodies = await python.read(accepted.map(({ sent }) => sent.toString('utf8').replace(/^\ufeff/, '')))
  for (const [i, { line, sent }] of accepted.entries()) {
    const { e } = JSON.parse(line) as EventLine
    const [ofLine, ofBody] = [lines[i], bodies[i]]
    if ('error' in ofLine) findings.push({ check: 'line', detail: `${ofLine.error}: ${shown(line)}` })
    else if (!isSame(ofLine.value, plain(JSON.parse(line)))) findings.push({ check: 'line', detail: shown(line) })
    if ('error' in ofBody) findings.push({ check: 'body', detail: `${ofBody.error}: ${shown(sent.toString())}` })
    else if (!isSame(asTaken(ofBody.value), { '@id': e.id, ...(plain(e) as object) })) {
      findings.push({ check: 'body', detail: `${shown(sent.toString())} became ${shown(e)}` })
    }
    function asTaken(value: unknown): unknown {
      const { '@context': context, ...rest } = value as Record<string, unknown>
      const { '@ip': _, ...kept } = (context ?? {}) as Record<string, unknown>
      const fields = Object.entries({ ...rest, '@context': context && kept }).filter(
        ([, one]) => one !== null && one !== undefined,
      )
      return { '@id': e.id, ...Object.fromEntries(fields) }
    }
  }
  return findings
}

/** Folds the lines as one frame; answers what a checkpoint of it holds and which of them counted. */
const foldLines = (tenant: string, lines: readonly string[]) => {
  const fold = new PartitionFold(SEED)
  let sequence = 0
  for (const metric of METRICS) {
    const data = encoder.encode(JSON.stringify({ kind: 'defineMetric', tenant, metric }))
    fold.apply({ sequence: ++sequence, storedAt: NOW, kind: 'control', data })
  }
  fold.apply({ sequence: ++sequence, storedAt: NOW, kind: 'events', data: encoder.encode(lines.join('\n')) })
  const sealed = fold.seal(1, NOW)
  const outcomes = sealed.outcomes[sequence]
  const verdicts = outcomes === undefined ? lines.map(() => 'C') : decodeOutcomes(outcomes)
  return { sealed, verdicts, counted: lines.filter((_, i) => verdicts[i] === 'C') }
}

const asLate = (line: EventLine, index: number): LateEvent => ({
  sequence: 1,
  index,
  code: 'LATE',
  message: `late: ${line.key}`,
  watermark: NOW,
  line: { ...line, source: 'late-ones' },
})

/** The store must give back each event as the line has it. */
const checkStored = async (olap: OlapWriter, tenant: string, lines: readonly EventLine[]): Promise<Finding[]> => {
  const findings: Finding[] = []
  const nameOf = (key: string, id: string): string => JSON.stringify([key, id])
  const { nodes } = await olap.events({ tenant, from: 0, to: 253_402_300_799_999, where: [], first: 10_000 })
  const stored = new Map(nodes.map((node) => [nameOf(node.sessionId, node.id), node]))
  if (stored.size !== lines.length)
    findings.push({ check: 'stored', detail: `${stored.size} of ${lines.length} events` })
  for (const { e, key, time, receivedAt, country = null } of lines) {
    const { name, userId = null, anonymousId = null, properties = null, context = null } = e
    const wanted = {
      id: e.id,
      name,
      time,
      receivedAt,
      source: 'live',
      sessionId: key,
      userId,
      anonymousId,
      properties,
      context,
      country,
    }
    const found = stored.get(nameOf(key, e.id))
    if (!found || !isSame(found, wanted))
      findings.push({ check: 'stored', detail: `${shown(wanted)} is ${shown(found ?? null)}` })
  }
  return findings
}

const checkDeadLetters = async (olap: OlapWriter, tenant: string, late: readonly LateEvent[]): Promise<Finding[]> => {
  const { nodes, total } = await olap.deadLetters({ tenant, filter: {}, first: 1_000 })
  const findings: Finding[] =
    total === late.length ? [] : [{ check: 'dead letters', detail: `${total}: ${shown(nodes)}` }]
  for (const { line, message } of late) {
    const found = nodes.some((node) => node.message === message && isSame(node.event, line!.e))
    if (!found) findings.push({ check: 'dead letters', detail: shown(line) })
  }
  return findings
}

/** What all rounds share. */
export interface Bench {
  olap: OlapWriter
  python: StrictReader
}

/** Sends `count` events through gateway, fold and store, and compares what each reader makes of them. */
export const runRound = async ({ olap, python }: Bench, seed: number, count: number): Promise<RoundResult> => {
  const tenant = `t${seed}`
  const bodies = fc.sample(eventBytes, { seed, numRuns: count })
  const admitted = await createDoor(() => NOW).admitAll(tenant, bodies)
  const findings: Finding[] = admitted
    .filter(({ code }) => code?.startsWith('threw'))
    .map(({ code, sent }) => ({ check: 'door', detail: `${code}: ${shown(sent.toString())}` }))
  const accepted = admitted.filter((one): one is Accepted => one.line !== null)
  findings.push(...(await checkReader(python, accepted)))

  const { sealed, verdicts, counted } = foldLines(
    tenant,
    accepted.map(({ line }) => line),
  )
  for (const [i, verdict] of verdicts.entries()) {
    if (verdict === 'I') findings.push({ check: 'fold', detail: shown(accepted[i].line) })
  }
  const lines = counted.map((line) => JSON.parse(line) as EventLine)
  const late = lines.slice(0, LATE).map(asLate)
  const rows = JSON.parse(JSON.stringify(sealed.rows)) as AggregateRow[]
  const [stored] = await olap.positions()
  const part = olapPart(stored + 1, { events: counted, aggregates: rows, late, definitions: sealed.definitions })
  await olap.write({ parts: [part] })
  const differing = await checkStored(olap, tenant, lines)
  findings.push(
    ...differing,
    ...(await checkDeadLetters(olap, tenant, late)),
    // What is not stored as it is would answer every condition wrongly.
    ...(differing.length > 0 ? [] : await checkConditions(olap, tenant, lines)),
    ...(await checkWindows(olap, tenant, rows)),
  )
  return { events: count, accepted: accepted.length, findings }
}
