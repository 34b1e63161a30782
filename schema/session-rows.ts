import type { SessionRow } from './checkpoint.ts'
import { seriesKey } from './metric.ts'

/** Where a session stands among those of one metric, version and gap: the same for all of its series. */
export const sessionKey = ({ source, session, start }: Pick<SessionRow, 'source' | 'session' | 'start'>): string =>
  `${start}\n${source}\n${session}`

/** What rows that replace each other have in common. */
export const sessionRowKey = (row: SessionRow): string =>
  `${row.tenant}\n${row.metric}\n${row.version}\n${row.gap}\n${seriesKey(row.dims)}\n${sessionKey(row)}`
