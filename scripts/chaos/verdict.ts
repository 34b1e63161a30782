import type { Nats } from '#infra/nats/connect.ts'
import type { TestProduct } from '#infra/testing/product.ts'
import type { Store } from '#infra/testing/store.ts'
import { DEFAULT_LATENESS_HORIZON_MS } from '#schema/limits.ts'
import type { Book } from './book.ts'
import { CHOICES, type Dashboards, nameOf, SIZES_MS } from './dashboards.ts'
import {
  askLedger,
  askWindows,
  type Ledger,
  readEvents,
  readLetters,
  readPoints,
  readSettled,
  type Settled,
} from './evidence.ts'
import { type Judgement, judge, type StoredEvent } from './judge.ts'
import { type CountedEvent, countWindows, differences, disagreements, windowsOf } from './windows.ts'

export interface Verdict extends Judgement {
  /** What dashboards were pushed that they should not have been, in words. */
  pushed: string[]
  /** Windows that differ from those counted anew, each with who differs. */
  windows: string[]
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
}

const METRICS = ['page_views', 'active_users', 'conversions', 'revenue', 'bytes_served']
const VIEWS = [
  ['minly_points', SIZES_MS.PT1M],
  ['hourly_points', SIZES_MS.PT1H],
] as const

/** What is stored, as its senders know it; where the sender gave no time it is the row's. Each identity once. */
const countedEvents = ({ sent }: Book, events: readonly StoredEvent[]): CountedEvent[] => {
  const times = new Map(events.map(({ id, timeMs }) => [id, timeMs]))
  return [...times].flatMap(([id, timeMs]) => {
    const event = sent.get(id)
    return event ? [{ ...event, timeMs: event.timeMs ?? timeMs }] : []
  })
}

/** Windows counted anew from the events, against everybody who says something about windows. */
const compareWindows = async (
  { store, views, dashboards }: VerdictSources,
  events: readonly CountedEvent[],
): Promise<string[]> => {
  const found: string[] = []
  const add = (who: string, lines: readonly string[]) => found.push(...lines.map((line) => `${who}: ${line}`))
  for (const [view, sizeMs] of VIEWS) {
    for (const name of METRICS) {
      const expected = countWindows(events, { name, sizeMs })
      add(`${view} of ${name}`, differences(expected, await readPoints(store, view, name)))
    }
  }
  for (const choice of CHOICES) {
    const expected = countWindows(events, { ...choice, sizeMs: SIZES_MS[choice.window] })
    const { subscriber } = dashboards.all.find((one) => one.choice === choice)!
    add(`pushed ${nameOf(choice)}`, differences(expected, windowsOf(subscriber.points.values())))
    for (const view of views) {
      const who = `Query.metric of ${nameOf(choice)} at ${view.endpoints.graphql}`
      const asked = await askWindows(view, choice)
      add(who, differences(expected, windowsOf(asked.values())))
      add(`${who} and pushed`, disagreements(asked, subscriber.points))
    }
  }
  return found
}

/** A cursor is as good at any gateway: no point comes twice or goes back, and nobody has to begin anew. */
const pushedWrongly = ({ all }: Dashboards): string[] =>
  all.flatMap(({ choice, subscriber: { repeated, backwards, kinds } }) => [
    ...repeated.map((point) => `pushed twice, ${nameOf(choice)}: ${JSON.stringify(point)}`),
    ...backwards.map((point) => `pushed and gone back, ${nameOf(choice)}: ${JSON.stringify(point)}`),
    ...(kinds.RESET > 0 ? [`${nameOf(choice)} began anew ${kinds.RESET} times`] : []),
  ])

/** Holds all that is stored, asked and pushed now against what was sent. */
export const reachVerdict = async (sources: VerdictSources): Promise<Verdict> => {
  const { nats, store, book } = sources
  const events = await readEvents(store)
  const judgement = judge(book.sent, events, await readLetters(store), DEFAULT_LATENESS_HORIZON_MS)
  const windows = await compareWindows(sources, countedEvents(book, events))
  const settled = await readSettled(nats)
  const { duplicate } = await store.totals()
  const ledger = await askLedger(sources.views[0])
  return {
    ...judgement,
    pushed: pushedWrongly(sources.dashboards),
    windows,
    settled,
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
  const { lost, duplicated, strange, wronglyLate, pushed, windows, settled, counted } = verdict
  return [
    ...lost.map((id) => `lost: ${id}`),
    ...duplicated.map((id) => `more than once: ${id}`),
    ...strange.map((id) => `not as it was sent: ${id}`),
    ...wronglyLate.map((id) => `a dead letter that was not late: ${id}`),
    ...windows,
    ...pushed,
    ...settled.problems,
    ...ledgerProblems(verdict),
    ...(settled.counted === counted ? [] : [`processors counted ${settled.counted} events, ${counted} are stored`]),
  ]
}
