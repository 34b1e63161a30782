import type { Clock, SessionRow, TenantState } from './checkpoint.ts'
import { DEFAULT_LATENESS_HORIZON_MS } from './limits.ts'
import { seriesKey } from './metric.ts'

/** Where a session stands among those of one metric, version and gap: the same for all of its series. */
export const sessionKey = ({ source, session, start }: Pick<SessionRow, 'source' | 'session' | 'start'>): string =>
  `${start}\n${source}\n${session}`

/** What rows that replace each other have in common. */
export const sessionRowKey = (row: SessionRow): string =>
  `${row.tenant}\n${row.metric}\n${row.version}\n${row.gap}\n${seriesKey(row.dims)}\n${sessionKey(row)}`

/** Of several rows of one series of a session that with the highest revision holds. In the order of their first. */
export const newestSessionRows = (rows: readonly SessionRow[]): SessionRow[] => {
  const newest = new Map<string, SessionRow>()
  for (const row of rows) {
    const key = sessionRowKey(row)
    const known = newest.get(key)
    if (!known || known.revision <= row.revision) newest.set(key, row)
  }
  return [...newest.values()]
}

/** Sessions of a source that end before `closedBefore` are closed: an event that could reach them would be late. */
export interface SessionBound {
  tenant: string
  source: string
  /** Milliseconds since 1970. */
  closedBefore: number
}

export const sessionBounds = ({
  clocks,
  tenants,
}: {
  clocks: readonly Clock[]
  tenants: readonly TenantState[]
}): SessionBound[] => {
  const horizons = new Map(tenants.map(({ tenant, latenessHorizonMs }) => [tenant, latenessHorizonMs]))
  return clocks.map(({ tenant, source, watermark, closed = Number.NEGATIVE_INFINITY }) => ({
    tenant,
    source,
    closedBefore: Math.max(closed, watermark - (horizons.get(tenant) ?? DEFAULT_LATENESS_HORIZON_MS)),
  }))
}
