import type { Kept } from '#schema/limits.ts'
import type { Management } from './management.ts'

/** How a table is cut into segments, and which column tells when a row came. */
interface Dated {
  table: string
  period: 'P1D' | 'P1M' | 'P1Y'
  came: 'received_at' | 'stored_at'
  kept: keyof Kept
}

const TABLES: readonly Dated[] = [
  { table: 'raw_events', period: 'P1D', came: 'received_at', kept: 'rawEvents' },
  { table: 'minly_aggs', period: 'P1M', came: 'stored_at', kept: 'minlyAggs' },
  { table: 'hourly_aggs', period: 'P1Y', came: 'stored_at', kept: 'hourlyAggs' },
  { table: 'session_aggs', period: 'P1M', came: 'stored_at', kept: 'sessionAggs' },
]

/** What is gone from a table. */
interface Expired {
  table: string
  /** ISO 8601. */
  interval: string
}

interface Period {
  start: string
  end: string
}

/** Only periods that have ended by then: no row came before its time, but by a clock that is ahead. */
const overdue = ({ table, period, came }: Dated, before: number): string => `
SELECT TIME_FLOOR(__time, '${period}') AS "start", TIME_SHIFT(TIME_FLOOR(__time, '${period}'), '${period}', 1) AS "end"
FROM ${table} WHERE __time < TIME_FLOOR(MILLIS_TO_TIMESTAMP(${before}), '${period}')
GROUP BY 1, 2 HAVING MAX(${came}) < ${before}`

const expireTable = async (druid: Management, dated: Dated, before: number): Promise<Expired[]> => {
  const { table } = dated
  const tables = (await druid.get('/druid/coordinator/v1/metadata/datasources')) as string[]
  if (!tables.includes(table)) return []
  const answer = await druid.post('/druid/v2/sql', { query: overdue(dated, before), context: { useCache: false } })
  const expired: Expired[] = []
  for (const { start, end } of answer as Period[]) {
    const interval = `${start}/${end}`
    await druid.post(`/druid/coordinator/v1/datasources/${table}/markUnused`, { interval })
    expired.push({ table, interval })
  }
  return expired
}

/**
 * Drops what was received, or last changed, before the given time, as DuckDB does. Druid's own rules know only the time
 * inside the rows: they would drop an import of old logs on the day on which it comes. Whole segments go, so a row stays
 * until the newest in its day, month or year is old enough. Throws DruidError.
 */
export const expireSegments = async (druid: Management, kept: Kept, now: number): Promise<Expired[]> => {
  const expired: Expired[] = []
  for (const dated of TABLES) expired.push(...(await expireTable(druid, dated, now - kept[dated.kept])))
  return expired
}
