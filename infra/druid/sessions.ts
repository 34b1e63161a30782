import type { SessionRow } from '#schema/checkpoint.ts'
import type { NewestSessionsQuery, SessionsQuery, StoredSessions } from '#schema/olap.ts'
import { sessionKey } from '#schema/session-rows.ts'
import { compareText } from '#schema/text-order.ts'
import type { DruidClient, SqlValue } from './client.ts'
import { compareDims } from './dims.ts'
import { type Freshness, orNothing } from './freshness.ts'
import {
  addSketches,
  gather,
  NUMBER_COUNT,
  numbersOf,
  plainNumbers,
  plainSketches,
  SKETCH_COUNT,
  stateOf,
} from './measure-state.ts'
import { boundedTime } from './time.ts'

const MOST_SESSIONS = 10_000
/** Rows that are looked at for each session that is asked for. */
const ROWS_A_SESSION = 4

const SERIES = 'tenant = ? AND metric = ? AND version = ? AND gap = ?'
const RANGE = '__time >= MILLIS_TO_TIMESTAMP(?) AND __time < MILLIS_TO_TIMESTAMP(?)'

/** Rows of the newest revision of each series of each session; of topK several. */
const ROWS = `
SELECT TIMESTAMP_TO_MILLIS(r.__time), r.source, r.session, r.dims, r."end", r.events, r.corrections, r.revision,
  r.retracted, r.ended, ${plainNumbers('r')}, ${plainSketches('r')}, r.item, r.item_count
FROM (SELECT * FROM session_aggs WHERE ${SERIES} AND ${RANGE}) r
INNER JOIN (
  SELECT __time, source, session, dims, MAX(revision) AS revision FROM session_aggs WHERE ${SERIES} AND ${RANGE}
  GROUP BY 1, 2, 3, 4) n
ON r.__time = n.__time AND r.source = n.source AND r.session = n.session AND r.dims = n.dims AND r.revision = n.revision`
const FIXED = 10

const STARTS = `SELECT TIMESTAMP_TO_MILLIS(__time) FROM session_aggs
  WHERE ${SERIES} AND __time < MILLIS_TO_TIMESTAMP(?) ORDER BY __time DESC LIMIT `

type Series = Pick<SessionsQuery, 'tenant' | 'metric' | 'version' | 'gap'>
const seriesValues = ({ tenant, metric, version, gap }: Series): SqlValue[] => [tenant, metric, version, gap]

const compareSessions = (a: SessionRow, b: SessionRow): number =>
  a.start - b.start || compareText(a.source, b.source) || compareText(a.session, b.session)
const compareRows = (a: SessionRow, b: SessionRow): number => compareSessions(a, b) || compareDims(a.dims, b.dims)

const toRow = ({ tenant, metric, version, gap }: Series, rows: readonly unknown[][]): SessionRow => {
  const parts = gather()
  let main = rows[0]
  for (const row of rows) {
    const [item, count] = row.slice(FIXED + NUMBER_COUNT + SKETCH_COUNT)
    if (item !== null) parts.items.push([item as string, count as number])
    else {
      main = row
      addSketches(parts, row.slice(FIXED + NUMBER_COUNT, FIXED + NUMBER_COUNT + SKETCH_COUNT))
    }
  }
  const [start, source, session, dims, end, events, corrections, revision, retracted, ended] = main
  return {
    ...{ tenant, metric, version, gap },
    ...({ source, session, start, end } as Pick<SessionRow, 'source' | 'session' | 'start' | 'end'>),
    dims: JSON.parse(dims as string) as (string | null)[],
    events: events as number,
    corrections: corrections as number,
    ...stateOf(numbersOf(main.slice(FIXED, FIXED + NUMBER_COUNT)), parts),
    revision: revision as number,
    ...(retracted === 1 ? { retracted: true as const } : {}),
    ...(ended === null ? {} : { ended: ended as number }),
  }
}

/** Rows that hold, what was retracted among them. */
const readRange = async (client: DruidClient, series: Series, from: number, to: number): Promise<SessionRow[]> => {
  const asked = [...seriesValues(series), boundedTime(from), boundedTime(to)]
  const { rows } = await orNothing(client.query(ROWS, [...asked, ...asked]))
  const bySeries = new Map<string, unknown[][]>()
  for (const row of rows) {
    const key = JSON.stringify(row.slice(0, 4))
    const own = bySeries.get(key)
    if (own) own.push(row)
    else bySeries.set(key, [row])
  }
  return [...bySeries.values()].map((own) => toRow(series, own))
}

export const readSessions = async (
  client: DruidClient,
  freshness: Freshness,
  query: SessionsQuery,
): Promise<StoredSessions> => {
  const { from, to, retracted: withRetracted = false } = query
  const { answer, positions } = await freshness.reading('session_aggs', () => readRange(client, query, from, to))
  return { rows: answer.filter(({ retracted }) => withRetracted || !retracted).sort(compareRows), positions }
}

/**
 * The newest sessions before a time. Looks at some of the newest rows, then at those before them, and at no more than it
 * takes. A session has one start, so all of its rows are looked at together.
 */
export const readNewestSessions = async (
  client: DruidClient,
  freshness: Freshness,
  query: NewestSessionsQuery,
): Promise<StoredSessions> => {
  const count = Math.min(Math.max(1, Math.trunc(query.count)), MOST_SESSIONS)
  const most = count * ROWS_A_SESSION

  const read = async (): Promise<SessionRow[]> => {
    const rows: SessionRow[] = []
    const found = new Set<string>()
    for (let before = query.before; found.size < count; ) {
      const values = [...seriesValues(query), boundedTime(before)]
      const starts = (await orNothing(client.query(`${STARTS}${most}`, values))).rows
      if (starts.length === 0) break
      const floor = starts[starts.length - 1][0] as number
      for (const row of await readRange(client, query, floor, before)) {
        if (row.retracted) continue
        rows.push(row)
        found.add(sessionKey(row))
      }
      if (starts.length < most) break
      before = floor
    }
    return rows
  }

  const { answer, positions } = await freshness.reading('session_aggs', read)
  const newest = new Set<string>()
  for (const row of answer.sort(compareSessions).toReversed()) {
    if (newest.size < count) newest.add(sessionKey(row))
  }
  return { rows: answer.filter((row) => newest.has(sessionKey(row))).sort(compareRows), positions }
}
