import { setTimeout as pause } from 'node:timers/promises'
import type { Point } from '#infra/testing/graphql.ts'
import type { TestProduct } from '#infra/testing/product.ts'
import type { Store } from '#infra/testing/store.ts'
import { CHANGING, COMING } from './changes.ts'
import { disagreements, foundIn } from './compare.ts'
import { CHOICES, type Dashboards, nameOf } from './dashboards.ts'
import { BUILTIN, type Definition, ENDS_AFTER, HOUR, MINUTE, SESSIONS_VIEW, STANDING } from './definitions.ts'
import type { Statement } from './expectations.ts'
import type { History } from './history.ts'
import { askWindows, readPoints, readSessions, readSessionsView, readVersion } from './points.ts'

export interface Tellers {
  store: Store
  views: readonly TestProduct[]
  dashboards: Dashboards
  history: History
}

const has = ({ windows }: Definition, window: object): boolean =>
  windows.some((one) => JSON.stringify(one) === JSON.stringify(window))

/** Definitions that can be read now. */
const current = (history: History): Definition[] =>
  [CHANGING, COMING].flatMap((name) => history.of.get(name)?.at(-1)?.definition ?? [])

/** What SQL says of minutes and hours. */
const ofViews = async ({ store, history }: Tellers): Promise<Statement[]> => {
  const statements: Statement[] = []
  for (const definition of [...BUILTIN, ...STANDING, ...current(history)]) {
    for (const [view, window] of [
      ['minly_points', MINUTE],
      ['hourly_points', HOUR],
    ] as const) {
      if (!has(definition, window)) continue
      const { name } = definition
      statements.push({
        who: `${view} of ${name}`,
        metric: name,
        question: { window },
        found: await readPoints(store, view, name),
      })
    }
  }
  return statements
}

/** What SQL says of sessions. */
const ofSessions = async ({ store, history }: Tellers): Promise<Statement[]> => {
  const statements: Statement[] = [
    {
      who: 'sessions',
      metric: SESSIONS_VIEW.name,
      question: { window: { session: ENDS_AFTER } },
      found: await readSessionsView(store, ENDS_AFTER),
    },
  ]
  for (const { name, windows } of [...STANDING, ...current(history)]) {
    for (const window of windows) {
      if (!('session' in window)) continue
      const found = await readSessions(store, name, window.session)
      statements.push({ who: `session_points of ${name} ${window.session}`, metric: name, question: { window }, found })
    }
  }
  return statements
}

/** What the tables have of versions that have been replaced. */
const ofVersions = async ({ store, history }: Tellers): Promise<Statement[]> => {
  const statements: Statement[] = []
  for (const name of [CHANGING, COMING]) {
    for (const { version, definition } of history.of.get(name) ?? []) {
      const found = await readVersion(store, name, version, definition?.measure ?? { count: true })
      const who = `minly_aggs of ${name} ${version}`
      statements.push({ who, metric: name, version, question: { window: MINUTE }, found })
    }
  }
  return statements
}

const TRIES = 20
const BETWEEN_MS = 500

/**
 * What a gateway answers, and in what the pushed points still differ after a while: a push comes a moment later, and
 * clocks go on to end sessions while one asks.
 */
const askUntilPushed = async (
  view: TestProduct,
  choice: (typeof CHOICES)[number],
  pushed: ReadonlyMap<string, Point>,
) => {
  for (let tries = 1; ; tries++) {
    // While one asks for many windows, clocks let some of them be final.
    const before = new Map(pushed)
    const asked = await askWindows(view, choice)
    const different = disagreements(asked, before, pushed)
    if (different.length === 0 || tries === TRIES) return { asked, different }
    await pause(BETWEEN_MS)
  }
}

/** What gateways answer and what dashboards were pushed last; and where those differ in how far a window has come. */
const ofGateways = async ({ views, dashboards }: Tellers): Promise<{ statements: Statement[]; lines: string[] }> => {
  const statements: Statement[] = []
  const lines: string[] = []
  for (const choice of CHOICES) {
    const add = (who: string, points: ReadonlyMap<string, Point>) => {
      statements.push({ who, metric: choice.name, question: choice, found: foundIn(points) })
    }
    const { subscriber } = dashboards.all.find((one) => one.choice === choice)!
    add(`pushed ${nameOf(choice)}`, new Map(subscriber.points))
    for (const view of views) {
      const who = `Query.metric of ${nameOf(choice)} at ${view.endpoints.graphql}`
      const { asked, different } = await askUntilPushed(view, choice, subscriber.points)
      add(who, asked)
      lines.push(...different.map((line) => `${who} and pushed: ${line}`))
    }
  }
  return { statements, lines }
}

/** All that anybody says of windows. */
export const readStatements = async (tellers: Tellers): Promise<{ statements: Statement[]; lines: string[] }> => {
  const stored = [...(await ofViews(tellers)), ...(await ofSessions(tellers)), ...(await ofVersions(tellers))]
  const { statements, lines } = await ofGateways(tellers)
  return { statements: [...stored, ...statements], lines }
}
