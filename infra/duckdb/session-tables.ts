import { SESSIONS } from '#schema/checkpoint.ts'
import { MEASURE_DDL } from './measure-columns.ts'
import { pointsView } from './points-view.ts'

/**
 * A row says what one series of a session was when it was written; of rows of one series that with the highest revision
 * holds. `merged` rows have no older ones beside them.
 */
export const SESSION_AGGS = `
CREATE TABLE IF NOT EXISTS session_aggs (
  tenant VARCHAR NOT NULL, metric VARCHAR NOT NULL, version BIGINT NOT NULL, gap_ms BIGINT NOT NULL,
  source VARCHAR NOT NULL, session_id VARCHAR NOT NULL,
  window_start TIMESTAMP NOT NULL, window_end TIMESTAMP NOT NULL, dims VARCHAR[] NOT NULL,
  events BIGINT NOT NULL, corrections BIGINT NOT NULL,
  ${MEASURE_DDL},
  revision BIGINT NOT NULL, retracted BOOLEAN NOT NULL, ended BIGINT,
  stored_at TIMESTAMP NOT NULL, "partition" INTEGER NOT NULL, merged BOOLEAN NOT NULL)`

/** What the rows of one session have in common. */
export const SESSION = 'tenant, metric, version, gap_ms, source, session_id, window_start'
/** What rows that replace each other have in common. */
export const SESSION_KEY = `${SESSION}, dims`

/** Of SELECT, grouped by SESSION_KEY: the row that holds. */
export const NEWEST_ROW = 'arg_max(rowid, (revision, rowid))'

/** By windows and not by NEWEST_ROW: conditions on the columns of the key reach the table through it. */
const held = (wanted = ''): string => `
SELECT * FROM session_aggs ${wanted}
QUALIFY NOT retracted AND row_number() OVER (PARTITION BY ${SESSION_KEY} ORDER BY revision DESC, rowid DESC) = 1`

/** One row per series and session. A session ends at the latest end of its rows. */
const SESSION_POINTS = pointsView('session_points', {
  key: `${SESSION}, window_end, dims`,
  shown: 'tenant, metric, gap_ms / 1000 AS gap_seconds, source, session_id, window_start, window_end, dims',
  rows: (wanted) =>
    `SELECT * REPLACE (max(window_end) OVER (PARTITION BY ${SESSION}) AS window_end) FROM (${held(wanted)})`,
})

/** One row per session, while some metric counts sessions of this gap. */
const SESSIONS_VIEW = `
CREATE OR REPLACE VIEW sessions AS
SELECT tenant, source, session_id, window_start AS started_at, window_end - to_milliseconds(gap_ms) AS ended_at,
  (epoch_ms(window_end) - gap_ms - epoch_ms(window_start)) / 1000 AS seconds, events, ended IS NOT NULL AS has_ended,
  dims[1] AS country, dims[2] AS browser, dims[3] AS os, dims[4] AS device, dims[5] AS user_id,
  dims[6] AS anonymous_id, gap_ms / 1000 AS gap_seconds
FROM (${held()})
WHERE metric = '${SESSIONS}'`

export const SESSION_VIEWS = [SESSION_POINTS, SESSIONS_VIEW]
