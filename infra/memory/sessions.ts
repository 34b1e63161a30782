import type { SessionRow } from '#schema/checkpoint.ts'
import type { NewestSessionsQuery, SessionsQuery } from '#schema/olap.ts'
import { sessionBounds, sessionKey, sessionRowKey } from '#schema/session-rows.ts'
import { compareText } from '#schema/text-order.ts'
import type { MemoryTables } from './tables.ts'

const inOrder = (a: SessionRow, b: SessionRow): number =>
  a.start - b.start ||
  compareText(a.source, b.source) ||
  compareText(a.session, b.session) ||
  compareText(JSON.stringify(a.dims), JSON.stringify(b.dims))

const rowsOf = (
  tables: MemoryTables,
  { tenant, metric, version, gap }: Pick<SessionsQuery, 'tenant' | 'metric' | 'version' | 'gap'>,
): SessionRow[] =>
  [...tables.sessions.values()]
    .filter((row) => row.tenant === tenant && row.metric === metric && row.version === version && row.gap === gap)
    .map(({ partition: _, ...row }) => row)
    .sort(inOrder)

export const readSessions = (tables: MemoryTables, query: SessionsQuery): SessionRow[] =>
  rowsOf(tables, query).filter(
    ({ start, retracted }) => start >= query.from && start < query.to && (query.retracted || !retracted),
  )

export const readNewestSessions = (tables: MemoryTables, query: NewestSessionsQuery): SessionRow[] => {
  const rows = rowsOf(tables, query).filter(({ start, retracted }) => start < query.before && !retracted)
  const keys = [...new Set(rows.map(sessionKey))].slice(-query.count)
  return rows.filter((row) => keys.includes(sessionKey(row)))
}

/** A session ends at the latest end of its rows. */
export const readOpenSessions = (tables: MemoryTables, partition: number): SessionRow[] => {
  const { clocks, tenants } = tables.folds[partition]
  const bounds = sessionBounds({ clocks: [...clocks.values()], tenants: [...tenants.values()] })
  const isClosed = ({ tenant, source, end }: SessionRow): boolean =>
    bounds.some((bound) => bound.tenant === tenant && bound.source === source && end < bound.closedBefore)
  const nameOf = (row: SessionRow): string => sessionRowKey({ ...row, dims: [] })
  const rows = [...tables.sessions.values()].filter((row) => row.partition === partition)
  const open = new Set(rows.filter((row) => !isClosed(row)).map(nameOf))
  return rows.filter((row) => !row.retracted && open.has(nameOf(row))).map(({ partition: _, ...row }) => row)
}
