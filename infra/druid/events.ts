import { pageCursors, pageSize } from '#infra/page-cursor.ts'
import type { EventsQuery, Page, RawEvent } from '#schema/olap.ts'
import { compareText } from '#schema/text-order.ts'
import type { DruidClient, SqlValue } from './client.ts'
import { EVENT_COLUMNS, eventConditions, type StoredEvent, toRawEvent, toStored } from './event-rows.ts'
import { orNothing } from './freshness.ts'
import { unavailable } from './sql-errors.ts'
import { boundedTime } from './time.ts'
import type { Witnesses } from './witnesses.ts'

/** Events that are read at once to find those that match; more and more where few do. */
const FIRST_LOOK = 1_000
const MOST_AT_ONCE = 20_000
/** Longest that a page is looked for, milliseconds. */
const PATIENCE_MS = 8_000

type Key = StoredEvent['key']

const cursors = pageCursors<Key>(['number', 'string', 'number', 'number', 'string', 'string'])

/** Newest first. */
const compareKeys = (a: Key, b: Key): number => {
  for (const [i, left] of a.entries()) {
    const right = b[i]
    const order = typeof left === 'string' ? compareText(right as string, left) : (right as number) - (left as number)
    if (order !== 0) return order
  }
  return 0
}

const ASKED =
  'FROM raw_events WHERE tenant = ? AND __time >= MILLIS_TO_TIMESTAMP(?) AND __time <= MILLIS_TO_TIMESTAMP(?)'

/**
 * Events of a tenant, newest first; no page repeats or misses one. Druid orders by time alone: first it says how far back
 * so many go, then all from there on are read and ordered here.
 */
export const readEvents = async (
  client: DruidClient,
  witnesses: Witnesses,
  query: EventsQuery,
): Promise<Page<RawEvent>> => {
  const { tenant, from, to, where } = query
  const first = pageSize(query.first)
  const conditions = eventConditions(where)
  const after = query.after === undefined ? null : cursors.decode(query.after)
  const isWanted = ({ key, line }: StoredEvent): boolean =>
    (!after || compareKeys(after, key) < 0) && conditions.matches(line)

  const rows = async (select: string, least: number, last: number, rest = ''): Promise<unknown[][]> => {
    const values: SqlValue[] = [tenant, least, last, ...conditions.values]
    return (await orNothing(client.query(`SELECT ${select} ${ASKED}${conditions.sql}${rest}`, values))).rows
  }

  await witnesses.check()
  const found: StoredEvent[] = []
  const least = boundedTime(from)
  const deadline = performance.now() + PATIENCE_MS
  let last = boundedTime(to - 1)
  if (after) last = Math.min(last, after[0] as number)
  for (let look = Math.max(FIRST_LOOK, first + 1); last >= least; look = Math.min(look * 4, MOST_AT_ONCE)) {
    const times = await rows('TIMESTAMP_TO_MILLIS(__time)', least, last, ` ORDER BY __time DESC LIMIT ${look}`)
    if (times.length === 0) break
    const start = times[times.length - 1][0] as number
    const events = (await rows(EVENT_COLUMNS, start, last)).map((row) => toStored(tenant, row))
    found.push(...events.filter(isWanted).sort((a, b) => compareKeys(a.key, b.key)))
    if (found.length > first || times.length < look) break
    last = start - 1
    if (performance.now() > deadline) throw unavailable('few events match: ask for a shorter range')
  }
  await witnesses.check()
  const shown = found.slice(0, first)
  witnesses.note(shown)
  return {
    nodes: shown.map(({ line }) => toRawEvent(line)),
    endCursor: shown.length > 0 ? cursors.encode(shown[shown.length - 1].key) : null,
    hasNextPage: found.length > first,
  }
}
