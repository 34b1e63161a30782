import type { Nats } from '#infra/nats/connect.ts'
import type { TestProduct } from '#infra/testing/product.ts'
import type { Store } from '#infra/testing/store.ts'
import { DEFAULT_LATENESS_HORIZON_MS } from '#schema/limits.ts'
import { PARTITIONS } from './arena.ts'
import type { Book } from './book.ts'
import { CHANGING } from './changes.ts'
import { type Dashboards, nameOf } from './dashboards.ts'
import { askLedger, type Clocks, type Ledger, readEvents, readLetters, readSettled, type Settled } from './evidence.ts'
import { createExpectations } from './expectations.ts'
import type { CountedEvent } from './fields.ts'
import { type History, placeProblems } from './history.ts'
import { type Judgement, judge, type StoredEvent } from './judge.ts'
import { readPlaces } from './places.ts'
import { readStatements } from './statements.ts'

export interface Verdict extends Judgement {
  /** What dashboards were pushed that they should not have been, in words. */
  pushed: string[]
  /** Windows that differ from those counted anew, each with who differs. */
  windows: string[]
  /** Windows that were compared, as often as somebody said something of them. */
  windowsCompared: number
  /** What does not hold of the places at which definitions took effect. */
  definitions: string[]
  settled: Settled
  ledger: Ledger
  /** Duplicates that the store was told of. */
  duplicatesFound: number
}

export interface VerdictSources {
  nats: Nats
  store: Store
  views: readonly TestProduct[]
  book: Book
  dashboards: Dashboards
  history: History
  /** Where clocks stood before: everybody has heard of it by now. */
  before: Clocks
}

/** What is stored, as its senders know it; where the sender gave no time it is the row's. Each identity once. */
const countedEvents = ({ sent }: Book, events: readonly StoredEvent[]): CountedEvent[] => {
  const rows = new Map(events.map((row) => [row.id, row]))
  return [...rows.values()].flatMap(({ id, timeMs, partition, sequence }) => {
    const event = sent.get(id)
    return event ? [{ ...event, timeMs: event.timeMs ?? timeMs, partition, sequence }] : []
  })
}

/** Windows counted anew from the events, against everybody who says something about windows. */
const compareWindows = async (sources: VerdictSources, events: readonly CountedEvent[]) => {
  const { nats, store, history, before } = sources
  const { of: places, problems } = await readPlaces(nats, store)
  const { statements, lines } = await readStatements(sources)
  const settled = await readSettled(nats)
  const expectations = createExpectations({ events, history, places, before, after: settled.clocks })
  const judged = statements.map((statement) => expectations.judge(statement))
  const ofMetric = ([name, versions]: [string, Parameters<typeof placeProblems>[1]]) =>
    placeProblems(name, versions, places.get(name) ?? new Map(), PARTITIONS)
  return {
    settled,
    definitions: [...problems, ...[...history.of].flatMap(ofMetric)],
    windows: [...judged.flatMap((one) => one.lines), ...lines],
    windowsCompared: judged.reduce((sum, { atRest }) => sum + atRest, 0),
  }
}

/**
 * A cursor is as good at any gateway: no point comes twice or goes back, and nobody has to begin anew but who looks at a
 * metric that changes.
 */
const pushedWrongly = ({ all }: Dashboards): string[] =>
  all.flatMap(({ choice, subscriber: { repeated, backwards, kinds } }) => [
    ...repeated.map((point) => `pushed twice, ${nameOf(choice)}: ${JSON.stringify(point)}`),
    ...backwards.map((point) => `pushed and gone back, ${nameOf(choice)}: ${JSON.stringify(point)}`),
    ...(kinds.RESET > 0 && choice.name !== CHANGING ? [`${nameOf(choice)} began anew ${kinds.RESET} times`] : []),
  ])

/** Holds all that is stored, asked and pushed now against what was sent. */
export const reachVerdict = async (sources: VerdictSources): Promise<Verdict> => {
  const { store, book } = sources
  const events = await readEvents(store)
  const judgement = judge(book.sent, events, await readLetters(store), DEFAULT_LATENESS_HORIZON_MS)
  const compared = await compareWindows(sources, countedEvents(book, events))
  const { duplicate } = await store.totals()
  const ledger = await askLedger(sources.views[0])
  return {
    ...judgement,
    pushed: pushedWrongly(sources.dashboards),
    ...compared,
    ledger,
    duplicatesFound: duplicate,
  }
}

/** The ledger must say what the rows say, and agree with itself. */
const ledgerProblems = ({ ledger, counted, late, duplicatesFound }: Verdict): string[] => {
  const agrees = ledger.stored === counted && ledger.late === late && ledger.duplicate === duplicatesFound
  if (agrees && ledger.balanced) return []
  return [
    `the ledger says ${JSON.stringify(ledger)}; stored are ${counted}, late ${late}, duplicates ${duplicatesFound}`,
  ]
}

/** What must not be, in words; empty when all is well. */
export const problemsOf = (verdict: Verdict): string[] => {
  const { lost, duplicated, strange, wronglyLate, pushed, windows, definitions, settled, counted } = verdict
  return [
    ...lost.map((id) => `lost: ${id}`),
    ...duplicated.map((id) => `more than once: ${id}`),
    ...strange.map((id) => `not as it was sent: ${id}`),
    ...wronglyLate.map((id) => `a dead letter that was not late: ${id}`),
    ...definitions,
    ...windows,
    ...pushed,
    ...settled.problems,
    ...ledgerProblems(verdict),
    ...(settled.counted === counted ? [] : [`processors counted ${settled.counted} events, ${counted} are stored`]),
  ]
}
