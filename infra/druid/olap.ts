import type { OlapService, Positions } from '#schema/olap.ts'
import { readAggregates } from './aggregates.ts'
import type { DruidClient } from './client.ts'
import { readEvents } from './events.ts'
import { type FreshnessOptions, POSITIONED, watchFreshness } from './freshness.ts'
import { readNewestSessions, readSessions } from './sessions.ts'
import { watchWitnesses } from './witnesses.ts'

interface DruidOlapOptions extends FreshnessOptions {
  client: DruidClient
  /** What Druid is not asked: the ledger, dead letters, corrections and all that needs one moment of everything. */
  books: OlapService
  /** Milliseconds since 1970. */
  now?: () => number
}

/**
 * Answers from Druid what grows with the events: windows, sessions, events, SQL. Each answer says how far Druid had come
 * with what it holds; one that would hold less than a former one had is UNAVAILABLE instead.
 */
export const createDruidOlap = ({ client, books, now = Date.now, ...options }: DruidOlapOptions): OlapService => {
  const freshness = watchFreshness(client, options)
  const witnesses = watchWitnesses(client, now)
  return {
    aggregates: (query) => readAggregates(client, freshness, query),
    sessions: (query) => readSessions(client, freshness, query),
    newestSessions: (query) => readNewestSessions(client, freshness, query),
    events: (query) => readEvents(client, witnesses, query),
    sql: (statement) => client.query(statement),
    async positions(): Promise<Positions> {
      const tables = await Promise.all(POSITIONED.map((table) => freshness.positions(table)))
      return tables[0].map((_, p) => Math.min(...tables.map((positions) => positions[p])))
    },
    deadLetters: (query) => books.deadLetters(query),
    corrections: (query) => books.corrections(query),
    totals: (tenant) => books.totals(tenant),
    ledger: (query) => books.ledger(query),
    copies: (query) => books.copies(query),
    definitions: (query) => books.definitions(query),
    markers: (gateway) => books.markers(gateway),
    holes: () => books.holes(),
    acknowledgeHoles: () => books.acknowledgeHoles(),
  }
}
